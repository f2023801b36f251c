/* The native core: the sequential loops of radcodec, as docs/format.md defines them.
 *
 * Rules. No allocation, no global state, no dependency but libm's floor, sqrt and rint. The caller hands buffers with their
 * lengths; a length that is too small gives RCZ_BAD_ARGUMENT. Every index that follows from a stream is checked before it
 * is used. Sums run in the order given: no fast-math, no fused multiply-add. The SIMD lanes are pixels, so that all
 * variants give the same bits.
 *
 * Each function exists once a variant, with the suffix _base, _avx2 or _avx512 (_base alone where there are no others).
 */
#ifndef RCZ_CORE_H
#define RCZ_CORE_H

#include <stdint.h>

#define RCZ_ABI 4

#if defined(_WIN32)
#define RCZ_API __declspec(dllexport)
#else
#define RCZ_API __attribute__((visibility("default")))
#endif

#ifndef RCZ_VARIANT
#define RCZ_VARIANT base
#endif
#define RCZ_JOIN2(name, variant) rcz_##name##_##variant
#define RCZ_JOIN(name, variant) RCZ_JOIN2(name, variant)
#define RCZ(name) RCZ_JOIN(name, RCZ_VARIANT)

enum {
    RCZ_OK = 0,
    RCZ_NO_SPACE = 1,     /* encoder: the raw bits outgrow their buffer */
    RCZ_BAD_STREAM = 2,   /* decoder: the stream cannot be right */
    RCZ_UNFIT = 3,        /* encoder: a value is out of the model's range; a system has no solution */
    RCZ_BAD_ARGUMENT = 4, /* a buffer is too small, or a number out of the range that the format allows */
};

/* Coefficients of a predictor and its border sets (8.3). Sets are numbered 0 (the predictor), 1 + n (top, n rows above),
 * 2 + b + n (left) and 3 + 2b + n (right), n = 0..b; without borders there is set 0 alone. */
typedef struct {
    int64_t radius, border, reach;
    const double *above; /* [2 + b or 1][R(2R + 1)] */
    const double *own;   /* [4 + 3b or 1][R] */
    const double *left;  /* [b(2b + 1)][B] */
    const double *right; /* [b(2b + 1)][B] */
} rcz_taps;

/* Taps in earlier planes (8.3): plane p has planes p - stride, p - 2 stride, ... before it, min(lags, p / stride % period) of
 * them. Coefficients are those for 1 earlier plane, then for 2, ..., lags; each plane's are [2r + 1][2r + 1]. */
typedef struct {
    int64_t lags; /* 0: there are none, and the rest is not read */
    int64_t stride, period;
    const int64_t *radii; /* [lags] */
    const double *coefs;
    double *values; /* room for min(planes, lags * stride + 1) planes [height][width] */
    int64_t n_values;
    int64_t blend;  /* 8.5: how much the errors of the plane before count, 0 to 64 */
    double *errors; /* with blend > 0: room for min(planes, stride + 1) planes [height][width + 4] */
    int64_t n_errors;
} rcz_earlier;

/* What both passes over a tile share: its samples [planes][height][width] and how they are predicted. */
typedef struct {
    int64_t planes, height, width;
    const uint8_t *special; /* 1 where a sample is not coded; NULL if none is */
    rcz_taps taps;
    rcz_earlier earlier;
    int64_t level, clamp, quantum, mantissa; /* 8.4: l, c, z, t */
    double fill;
    void *scratch; /* at least rcz_pass_bytes(radius, width) */
    int64_t scratch_bytes;
} rcz_pass;

/* What the encoder's pass fills: the table and the symbol of each sample that is coded, and raw bits. */
typedef struct {
    uint16_t *tables; /* table * 9 + phase */
    uint8_t *symbols;
    int64_t capacity; /* of both */
    uint8_t *raw;     /* zeros; the last RCZ_RAW_SPARE bytes stay free */
    int64_t raw_bytes;
    int64_t n_symbols, n_bits;
} rcz_symbols;

/* The streams that the decoder's pass reads. */
typedef struct {
    const uint32_t *cumulative; /* [rows][129] */
    const uint8_t *starts;      /* [rows][64]: first symbol to look at for the top 6 of 24 bits */
    int64_t rows;
    const uint32_t *words;
    int64_t n_words;
    const uint8_t *raw; /* RCZ_RAW_SPARE zeros behind the last bit */
    int64_t raw_bytes, n_bits;
} rcz_streams;

#define RCZ_RAW_SPARE 512

/* Bytes of scratch that a pass over a tile needs; -1 for sides out of range. */
RCZ_API int64_t RCZ(pass_bytes)(int64_t radius, int64_t width);
/* 8.5: symbols of a float tile. */
RCZ_API int32_t RCZ(encode_float)(const rcz_pass *pass, const double *values, rcz_symbols *out);
/* 8.5: symbols of integers. gain, dither and targets are NULL or like values, which a loop (targets) fills. */
RCZ_API int32_t RCZ(encode_int)(const rcz_pass *pass, int64_t *values, const double *targets, const double *gain,
                                const double *dither, rcz_symbols *out);
RCZ_API int32_t RCZ(decode_float)(const rcz_pass *pass, const rcz_streams *streams, double *out);
RCZ_API int32_t RCZ(decode_int)(const rcz_pass *pass, const rcz_streams *streams, const double *gain,
                                const double *dither, int32_t loop, int64_t *out);

/* 8.6: words of symbols [n] coded with rows of cumulative [rows][columns]; gives their number, negative: a status. */
RCZ_API int64_t RCZ(ans_encode)(const uint8_t *symbols, const uint16_t *tables, int64_t n, const uint32_t *cumulative,
                                int64_t rows, int64_t columns, uint32_t *words, int64_t capacity);
/* Add up in counts [rows][columns] how often each symbol is coded with each table. */
RCZ_API int32_t RCZ(count_symbols)(const uint8_t *symbols, const uint16_t *tables, int64_t n, int64_t *counts,
                                   int64_t rows, int64_t columns);

/* 8.3, borders. response [64][129] of the process; wide [64 + radius][129 + 2 radius] is scratch. */
RCZ_API int32_t RCZ(impulse_response)(const double *coefs, int64_t radius, double *wide, double *response);
RCZ_API int32_t RCZ(covariance)(const double *response, int64_t border, double *out);
/* Best coefficients [n] for taps; square [n][n] is scratch. RCZ_UNFIT where there are none. */
RCZ_API int32_t RCZ(best_coefficients)(const double *covariance, int64_t border, const int64_t *dys, const int64_t *dxs,
                                       int64_t n, double *square, double *out);

/* The fit. */
RCZ_API int32_t RCZ(cholesky_solve)(double *matrix, double *right, int64_t n);
/* 8.2: integers [n] in coding order of a Rice code that fills its bytes. */
RCZ_API int32_t RCZ(rice_read)(const uint8_t *code, int64_t n_bytes, int64_t *integers, int64_t n);
RCZ_API int64_t RCZ(rice_bits)(const int64_t *integers, int64_t n);
/* Babai rounding of x [n] with the factor lower [n][n]; left [n] is scratch. */
RCZ_API double RCZ(round_to_plane)(const double *x, const double *lower, int64_t n, double *left, double *out);
/* padded is [radius + height][width + 2 radius]; row [width] is scratch. */
RCZ_API double RCZ(weighted_error)(const double *padded, int64_t radius, const double *coefs, const double *weight,
                                   int64_t height, int64_t width, double *row);
RCZ_API int32_t RCZ(local_error)(const double *padded, int64_t radius, const double *coefs, const uint8_t *known,
                                 int64_t height, int64_t width, double *row, double *error, double *out);
/* The quick fit. values is [8 rows + radius][8 columns + 2 radius], the targets of cell (0, 0) at (radius, radius); weights
 * is [rows][columns]. Adds to out [n + 1][n + 1] the weighted sums of products of all pairs of the n = 2R(R + 1) taps, in
 * tap order, and the target, which comes last; place [n + 1] says which row and column of out each has. Of out only the
 * lower triangle is filled. rough: in single
 * precision. scratch has products_bytes, -1 for numbers out of range. */
RCZ_API int64_t RCZ(products_bytes)(int64_t radius, int64_t rows, int64_t columns);
RCZ_API int32_t RCZ(products)(const double *values, int64_t radius, int64_t rows, int64_t columns, const double *weights,
                              const int64_t *place, int32_t rough, double *out, void *scratch, int64_t scratch_bytes);
/* Sums over 9 x 9 pixels of absolute errors, 0 where known is; row [width + 8] and wide like out are scratch. */
RCZ_API int32_t RCZ(error_sums)(const double *padded, int64_t radius, const double *coefs, const uint8_t *known,
                                int64_t height, int64_t width, double *row, double *wide, double *out);
/* Turn z [n] into the solution of L x = z or L^T x = z, L the lower triangle of lower [n][stride]. */
RCZ_API int32_t RCZ(forward)(const double *lower, int64_t n, int64_t stride, double *z);
RCZ_API int32_t RCZ(backward)(const double *lower, int64_t n, int64_t stride, double *z);
RCZ_API int32_t RCZ(float_quantum)(const double *values, int64_t n, int64_t *z, int64_t *mantissa);

/* 8.9: corrections of samples near a lattice. slots [n]: number of the sample's integer, under n_slots, negative where
 * there is none; classes [n]. Gives the number of bytes, negative: a status. */
RCZ_API int64_t RCZ(corrections_bytes)(int64_t n_slots);
RCZ_API int64_t RCZ(encode_corrections)(const int32_t *slots, const uint8_t *classes, int32_t *values, int64_t n,
                                        int64_t n_slots, uint8_t *out, int64_t capacity, void *scratch,
                                        int64_t scratch_bytes);
RCZ_API int32_t RCZ(decode_corrections)(const int32_t *slots, const uint8_t *classes, int64_t n, int64_t n_slots,
                                        const uint8_t *code, int64_t n_bytes, int32_t *values, void *scratch,
                                        int64_t scratch_bytes);

/* 8.10: images [planes][height][width] of numbers of values that are mostly one number. Gives the number of bytes,
 * negative: a status. */
RCZ_API int64_t RCZ(counted_bytes)(int64_t height, int64_t width);
RCZ_API int64_t RCZ(encode_counted)(uint16_t *samples, int64_t planes, int64_t height, int64_t width, int64_t n_values,
                                    int64_t usual, int32_t same, uint8_t *out, int64_t capacity, void *scratch,
                                    int64_t scratch_bytes);
RCZ_API int32_t RCZ(decode_counted)(const uint8_t *code, int64_t n_bytes, int64_t planes, int64_t height, int64_t width,
                                    int64_t n_values, int64_t usual, int32_t same, uint16_t *samples, void *scratch,
                                    int64_t scratch_bytes);

/* 9.6 and 9.7: one plane of a tile of a lapped model. */
typedef struct {
    const int32_t *log_table; /* [4096] */
    const int32_t *weight0, *bias0, *weight1, *bias1, *weight2, *bias2; /* [16][21], [16], [16][16], [16], [16], [1] */
    int32_t shift0, shift1, shift2;
} rcz_network;

typedef struct {
    const uint32_t *cumulative; /* [rows][10] */
    int64_t rows;
    uint64_t state; /* of a stream that is read */
    const uint32_t *words;
    int64_t n_words;    /* that are left */
    uint8_t *symbols;   /* written when coding */
    uint16_t *tables;
    int64_t capacity, n; /* of both, and how many symbols there were */
} rcz_coder;

typedef struct {
    const float *zero, *one; /* [2][48]: bits of a coefficient that stays zero or does not, beside a zero or another */
    const float *refine;     /* [2][5][2]: bits of the halves */
    const int32_t *lower;    /* like magnitudes: the other choice */
    float *ours, *theirs;    /* like magnitudes: bits of both are added */
} rcz_prices;

typedef struct {
    int64_t blocks, columns, n, m; /* blocks of n rows by m pairs, columns of them in a row of blocks */
    const uint8_t *counts;         /* [2][3][3][n][m] */
    int64_t s, final, shift;
    const int32_t *p; /* [blocks][n][m][2] magnitudes before the plane */
    int32_t *q;       /* and in it */
    int8_t *sign;
    int32_t *act, *before;  /* [18][18] cells in a margin of zeros */
    const int32_t *exists; /* [16][16] */
    void *scratch;
    int64_t scratch_bytes; /* at least rcz_plane_bytes */
} rcz_plane;

enum { RCZ_CODE = 0, RCZ_DECODE = 1, RCZ_COST = 2 };

/* 9.11: the wide network of a trellis model, one for each phase, and its codebooks. */
typedef struct {
    const int32_t *log_table;                          /* [4096] */
    const int16_t *weight0, *weight1, *weight2;        /* [3][32][44], [3][32][32], [3][2][32] */
    const int32_t *bias0, *bias1, *bias2;              /* [3][32], [3][32], [3][2] */
    const int32_t *shifts;                             /* [3][3] */
    const int32_t *points;                             /* [2][6][3] */
} rcz_wide;

/* The search of the encoder. */
typedef struct {
    const float *zero, *one;  /* [3][2][48]: bits in codebook 0, in codebook 1, and above the last plane */
    const float *refine;      /* [3][16][3][2] */
    const float *target;      /* [blocks][n][m][2]: magnitudes in steps */
    float *bits;              /* [blocks][n][m][2][4]: of the four candidates, above the last plane; are added to */
    float weight;             /* squared steps a bit */
    double spent;             /* is set: squared error in steps and weighted bits of the path taken */
    uint8_t *choice;          /* [2 blocks n m][8] */
    int64_t *order;           /* [2 blocks n m] */
} rcz_search;

RCZ_API int64_t RCZ(plane_bytes)(int64_t blocks, int64_t n, int64_t m);
RCZ_API int32_t RCZ(walk_plane)(int32_t mode, const rcz_plane *plane, const rcz_network *network, rcz_coder *coder,
                                const rcz_prices *prices);

/* 9.11: one plane of a tile of a trellis model. state: of the trellis after the plane. values: in the last plane, magnitudes
 * that coefficients stand for, in 64ths of a step; may be NULL. inputs: of the network, [pairs][44], or NULL. */
RCZ_API int64_t RCZ(trellis_bytes)(int64_t blocks, int64_t n, int64_t m);
RCZ_API int32_t RCZ(trellis_plane)(int32_t mode, const rcz_plane *plane, const rcz_wide *network, rcz_coder *coder,
                                   rcz_search *search, int32_t *values, int16_t *inputs);

/* 0 where products and sums are rounded one by one, as they must be; else this build must not be used. */
RCZ_API int32_t RCZ(self_check)(double a, double b, double c);

#endif
