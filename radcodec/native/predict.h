/* Prediction, expected errors and classes (docs/format.md, 8.3 and 8.5): what both passes over a tile share.
 *
 * Encoder and decoder share every scalar step, so that they cannot drift apart. The loop over a row's samples is the SIMD
 * loop: taps of the rows above are added for the whole row at once, each sample in the order of the taps. Only the taps of
 * the sample's own row wait for its neighbours.
 */
#ifndef RCZ_PREDICT_H
#define RCZ_PREDICT_H

#include "earlier.h"

#define N_CLASSES 80
#define N_TABLES 88
#define FIRST_TABLE 64 /* of a scale of one bin */
#define PHASES 8       /* of a bin */
#define CENTRED 8      /* phase of a bin whose middle is the prediction */
#define N_PHASES 9
#define LOOP_BIN 16.0 /* working units of the loop map in a step */
#define N_SYMBOLS 128
#define MAX_COUNT 254
#define REACH 4 /* columns that the error context reaches left and right */
#define ROWS 5  /* error rows kept: the one being coded and four above */
#define INT_LIMIT 0x1p54
#define INT_BOUND ((int64_t)1 << 54)
#define MAX_INT_STEP 52 /* exponent of a bin of integers */
#define ERROR_FLOOR 0x1p-8
#define MAX_RADIUS 24
#define MAX_BORDER 8
#define NO_BIN (-4096) /* under the exponents of all bins */
#define MAX_WIDTH ((int64_t)1 << 32)
/* What is written once for floats and integers: the compiler makes a copy for each. */
#define FOR_BOTH static inline __attribute__((always_inline))

/* A class's mean error and the rate of learning; and what follows from the mean: the exponent of its bins, which floats may
 * make larger, its place among the tables, and its table at that exponent. */
typedef struct {
    double mean, rate;
    int64_t bin, place, table, count;
} error_class;

/* Memory of a pass: a ring of the last rows of the window, errors and what is known of the row. */
typedef struct {
    double *window; /* [R + 1][width + 2R] */
    double *errors; /* [ROWS][width + 2 REACH] */
    double *mus;    /* [width] */
    double *ahead;  /* [width] sums of the row after, without the taps of the row between */
    int64_t summed; /* that row; -1 if there are none */
    double *context;
    int64_t *sets;
    double *before; /* [width] what earlier planes give to the row */
    double *base;   /* [width] the same and the fill: window values are counted from it */
    earlier_planes earlier;
    double inverse; /* of the sum of the weights of errors */
    error_class classes[N_CLASSES];
    double rates[MAX_COUNT + 1];
} state;

static inline int64_t pass_bytes(int64_t radius, int64_t width) {
    if (radius < 1 || radius > MAX_RADIUS || width < 1 || width > MAX_WIDTH) return -1;
    int64_t doubles = (radius + 1) * (width + 2 * radius) + ROWS * (width + 2 * REACH) + 6 * width;
    return 8 * doubles + 8 * 64 + 64;
}

static inline double *window_row(const rcz_pass *pass, const state *st, int64_t y) {
    int64_t radius = pass->taps.radius;
    return st->window + (y + radius) % (radius + 1) * (pass->width + 2 * radius);
}

static inline double *error_row(const rcz_pass *pass, const state *st, int64_t y) {
    return st->errors + (y + ROWS) % ROWS * (pass->width + 2 * REACH);
}

/* Set a class's mean, with bins of at least 2^least. */
static inline void set_mean(error_class *of, double mean, int64_t least) {
    int64_t place = (bits_of(mean) >> 49) - 8184 + FIRST_TABLE, bin = max_i(least, exponent_of(mean) - 2);
    of->mean = mean;
    of->bin = bin;
    of->place = place;
    of->table = clamp_i(place - 8 * bin, 0, N_TABLES - 1);
}

/* Check a pass and lay out its memory, for floats or integers. */
static inline int32_t begin_pass(const rcz_pass *pass, state *st, int whole) {
    const rcz_taps *taps = &pass->taps;
    int64_t needed = pass_bytes(taps->radius, pass->width);
    if (needed < 0 || pass->scratch == NULL || pass->scratch_bytes < needed) return RCZ_BAD_ARGUMENT;
    if (pass->planes < 0 || pass->height < 1) return RCZ_BAD_ARGUMENT;
    if (taps->border < 0 || taps->border > min_i(taps->radius, MAX_BORDER)) return RCZ_BAD_ARGUMENT;
    if (taps->reach < taps->border || taps->reach > taps->radius) return RCZ_BAD_ARGUMENT;
    if (taps->border == 0 && taps->reach != 0) return RCZ_BAD_ARGUMENT; /* there would be rows without a set */
    if (pass->level < -4000 || pass->level > 4000 || pass->clamp < -1000 || pass->clamp > 1000) return RCZ_BAD_ARGUMENT;
    if (pass->quantum < -1022 || pass->quantum > 1000 || pass->mantissa < 0 || pass->mantissa > 52) return RCZ_BAD_ARGUMENT;
    unsigned char *at = (unsigned char *)pass->scratch + (64 - (uintptr_t)pass->scratch % 64) % 64;
    int64_t width = pass->width;
    st->window = carve(&at, 8 * (taps->radius + 1) * (width + 2 * taps->radius));
    st->errors = carve(&at, 8 * ROWS * (width + 2 * REACH));
    st->mus = carve(&at, 8 * width);
    st->ahead = carve(&at, 8 * width);
    st->context = carve(&at, 8 * width);
    st->sets = carve(&at, 8 * width);
    st->before = carve(&at, 8 * width);
    st->base = carve(&at, 8 * width);
    for (int64_t x = 0; x < width; x++) {
        st->before[x] = 0.0;
        st->base[x] = pass->fill;
    }
    if (begin_earlier(pass, &st->earlier) != RCZ_OK) return RCZ_BAD_ARGUMENT;
    for (int64_t i = 0; i < N_CLASSES; i++) {
        int64_t j = i - N_CLASSES / 2 + pass->level;
        double mean = pow2(j >> 2) * (1.0 + (double)(j & 3) * 0.25);
        set_mean(&st->classes[i], whole ? mean : max_d(mean, TINY), whole ? 0 : NO_BIN);
        st->classes[i].count = 0;
        st->classes[i].rate = 1.0 / 1.5;
    }
    for (int64_t i = 0; i <= MAX_COUNT; i++) st->rates[i] = 1.0 / ((double)i + 1.5);
    return RCZ_OK;
}

static inline void begin_plane(const rcz_pass *pass, state *st, int64_t p) {
    choose_earlier(pass, &st->earlier, p);
    int64_t cells = (pass->taps.radius + 1) * (pass->width + 2 * pass->taps.radius);
    for (int64_t i = 0; i < cells; i++) st->window[i] = 0.0;
    st->summed = -1;
    double first = pow2(pass->level >> 2) * (1.0 + (double)(pass->level & 3) * 0.25);
    for (int64_t i = 0; i < ROWS * (pass->width + 2 * REACH); i++) st->errors[i] = first;
}

/* Lanes of a SIMD register that are pixels beside each other, and how many registers a block of pixels takes. */
#if defined(__AVX512F__)
#define PIXELS 8
#elif defined(__AVX__)
#define PIXELS 4
#else
#define PIXELS 2
#endif
#define PIXEL_SUMS 6
#define PIXEL_BLOCK (PIXELS * PIXEL_SUMS)
#define PAIR_SUMS 4 /* of each of two rows */
#define PAIR_BLOCK (PIXELS * PAIR_SUMS)

typedef double pixels __attribute__((vector_size(8 * PIXELS)));
typedef double loose_pixels __attribute__((vector_size(8 * PIXELS), aligned(8), may_alias));

/* A macro: clang refuses functions that return a vector of AVX-512 where the target prefers shorter ones. */
#define LOAD_PIXELS(at) (*(const loose_pixels *)(at))
/* One load for several uses: compilers load again for each product that takes its factor from memory. */
#define LOAD_ONCE(at) (*(const volatile loose_pixels *)(at))

/* Fill acc [n] with what the rows above give; rows[dy] is the row dy above, its first tap's column first. Sums of a block
 * of pixels stay in registers while all taps are added, as loads are what this waits for. */
static inline void predict_above(const double *const *rows, int64_t radius, const double *coefs, int64_t n,
                          double *restrict acc) {
    int64_t width = 2 * radius + 1, x = 0;
    while (x < n && PIXEL_BLOCK <= n) {
        x = min_i(x, n - PIXEL_BLOCK); /* the last block overlaps the one before, which gives the same sums again */
        pixels s0 = {0.0}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
        const double *c = coefs;
        for (int64_t dy = radius; dy > 0; dy--) {
            const double *r = rows[dy] + x;
            for (int64_t j = 0; j < width; j++, r++, c++) {
                double k = *c;
                s0 += k * LOAD_PIXELS(r);
                s1 += k * LOAD_PIXELS(r + PIXELS);
                s2 += k * LOAD_PIXELS(r + 2 * PIXELS);
                s3 += k * LOAD_PIXELS(r + 3 * PIXELS);
                s4 += k * LOAD_PIXELS(r + 4 * PIXELS);
                s5 += k * LOAD_PIXELS(r + 5 * PIXELS);
            }
        }
        pixels sums[PIXEL_SUMS] = {s0, s1, s2, s3, s4, s5};
        memcpy(acc + x, sums, sizeof sums);
        x += PIXEL_BLOCK;
    }
    if (x == n) return;
    for (int64_t i = x; i < n; i++) acc[i] = 0.0;
    const double *c = coefs;
    for (int64_t dy = radius; dy > 0; dy--) {
        for (int64_t j = 0; j < width; j++, c++) {
            double k = *c;
            const double *restrict r = rows[dy] + j;
            for (int64_t i = x; i < n; i++) acc[i] += k * r[i];
        }
    }
}

/* As predict_above for acc, and for ahead, the sums of the row after, all but those of its last row of taps: a load serves
 * both rows. n >= PAIR_BLOCK. */
static inline void predict_two(const double *const *rows, int64_t radius, const double *coefs, int64_t n,
                               double *restrict acc, double *restrict ahead) {
    int64_t width = 2 * radius + 1, x = 0;
    while (x < n) {
        x = min_i(x, n - PAIR_BLOCK);
        pixels s0 = {0.0}, s1 = s0, s2 = s0, s3 = s0, t0 = s0, t1 = s0, t2 = s0, t3 = s0;
        const double *c = coefs;
        const double *above = rows[radius] + x;
        for (int64_t j = 0; j < width; j++, above++, c++) { /* the farthest row, which the row after does not reach */
            double k = *c;
            s0 += k * LOAD_PIXELS(above);
            s1 += k * LOAD_PIXELS(above + PIXELS);
            s2 += k * LOAD_PIXELS(above + 2 * PIXELS);
            s3 += k * LOAD_PIXELS(above + 3 * PIXELS);
        }
        for (int64_t dy = radius - 1; dy > 0; dy--) {
            const double *r = rows[dy] + x;
            for (int64_t j = 0; j < width; j++, r++, c++) {
                double k = *c, after = *(c - width);
                pixels p0 = LOAD_ONCE(r), p1 = LOAD_ONCE(r + PIXELS);
                pixels p2 = LOAD_ONCE(r + 2 * PIXELS), p3 = LOAD_ONCE(r + 3 * PIXELS);
                s0 += k * p0;
                t0 += after * p0;
                s1 += k * p1;
                t1 += after * p1;
                s2 += k * p2;
                t2 += after * p2;
                s3 += k * p3;
                t3 += after * p3;
            }
        }
        pixels sums[PAIR_SUMS] = {s0, s1, s2, s3}, next[PAIR_SUMS] = {t0, t1, t2, t3};
        memcpy(acc + x, sums, sizeof sums);
        memcpy(ahead + x, next, sizeof next);
        x += PAIR_BLOCK;
    }
}

/* Fill acc [n] with the sums of ahead and what the row above, at its first tap's column, gives: the last row of taps. */
static inline void predict_last(const double *row, int64_t radius, const double *coefs, int64_t n,
                                const double *restrict ahead, double *restrict acc) {
    const double *c = coefs + (radius - 1) * (2 * radius + 1);
    int64_t width = 2 * radius + 1, x = 0;
    while (x < n) {
        x = min_i(x, n - PAIR_BLOCK);
        pixels s[PAIR_SUMS];
        memcpy(s, ahead + x, sizeof s);
        pixels s0 = s[0], s1 = s[1], s2 = s[2], s3 = s[3];
        const double *r = row + x;
        for (int64_t j = 0; j < width; j++, r++) {
            double k = c[j];
            s0 += k * LOAD_PIXELS(r);
            s1 += k * LOAD_PIXELS(r + PIXELS);
            s2 += k * LOAD_PIXELS(r + 2 * PIXELS);
            s3 += k * LOAD_PIXELS(r + 3 * PIXELS);
        }
        pixels sums[PAIR_SUMS] = {s0, s1, s2, s3};
        memcpy(acc + x, sums, sizeof sums);
        x += PAIR_BLOCK;
    }
}

/* Fill out [width] with the predictions of row y of a block whose pixels are all known. */
static inline void predict_row(const double *padded, int64_t y, int64_t radius, const double *coefs, int64_t width,
                        double *out) {
    const double *rows[MAX_RADIUS + 1];
    int64_t stride = width + 2 * radius, first = radius * (2 * radius + 1);
    for (int64_t dy = 0; dy <= radius; dy++) rows[dy] = padded + (y + radius - dy) * stride;
    predict_above(rows, radius, coefs, width, out);
    for (int64_t k = 0; k < radius; k++) {
        double c = coefs[first + k];
        const double *restrict part = rows[0] + k;
        for (int64_t x = 0; x < width; x++) out[x] += c * part[x];
    }
}

/* Fill the first and last B elements of acc [n], n >= 2B, as predict_above, for the sets of a row's ends. */
static inline void predict_edges(const double *const *rows, const rcz_taps *taps, int64_t n, double *restrict acc) {
    int64_t radius = taps->radius, border = taps->border, reach = taps->reach, end = n - reach, i = 0;
    for (int64_t x = 0; x < reach; x++) acc[x] = acc[end + x] = 0.0;
    for (int64_t dy = border; dy > 0; dy--) {
        for (int64_t j = radius - border; j <= radius + border; j++, i++) {
            const double *left = taps->left + i * reach, *right = taps->right + i * reach, *row = rows[dy] + j;
            for (int64_t x = 0; x < reach; x++) {
                acc[x] += left[x] * row[x];
                acc[end + x] += right[x] * row[end + x];
            }
        }
    }
}

/* Fill sets [n] for a row that has all rows above it. */
static inline void choose_sets(const rcz_taps *taps, int64_t n, int64_t *sets) {
    int64_t border = taps->border, reach = taps->reach;
    for (int64_t x = 0; x < n; x++) sets[x] = 0;
    if (border > 0 && n >= 2 * reach) {
        for (int64_t x = 0; x < reach; x++) {
            sets[x] = 2 + border + min_i(x, border);
            sets[n - 1 - x] = 3 + 2 * border + min_i(x, border);
        }
    }
}

/* Fill mus with what the rows above give to row y of a plane, and sets with each sample's set of taps. */
static inline void predict_rows(const rcz_pass *pass, state *st, int64_t y) {
    const rcz_taps *taps = &pass->taps;
    const double *rows[MAX_RADIUS + 1];
    int64_t n = pass->width, radius = taps->radius, n_above = radius * (2 * radius + 1);
    if (pass->earlier.lags > 0) {
        predict_earlier(pass, &st->earlier, y, pow2(pass->clamp), st->before);
        for (int64_t x = 0; x < n; x++) st->base[x] = pass->fill + st->before[x];
    }
    for (int64_t dy = 0; dy <= radius; dy++) rows[dy] = window_row(pass, st, y - dy);
    if (y >= taps->reach) {
        if (st->summed == y) {
            predict_last(rows[1], radius, taps->above, n, st->ahead, st->mus);
        } else if (n >= PAIR_BLOCK && y + 1 < pass->height) {
            predict_two(rows, radius, taps->above, n, st->mus, st->ahead);
            st->summed = y + 1;
        } else {
            predict_above(rows, radius, taps->above, n, st->mus);
        }
        if (taps->border > 0 && n >= 2 * taps->reach) predict_edges(rows, taps, n, st->mus);
        if (y == taps->reach) choose_sets(taps, n, st->sets);
    } else {
        int64_t i = 1 + min_i(y, taps->border);
        predict_above(rows, radius, taps->above + i * n_above, n, st->mus);
        for (int64_t x = 0; x < n; x++) st->sets[x] = i;
    }
}

/* Prediction of the rows above completed by the taps of the sample's own row, and clamped. The sample before it is given:
 * read back from the row, it would come several cycles later, and all samples wait for it. */
static inline double predict_own(const double *row, int64_t x, int64_t radius, const double *own, double p, double limit,
                                 double before) {
    for (int64_t k = 0; k + 1 < radius; k++) p += own[k] * row[x + k];
    p += own[radius - 1] * before;
    if (!(fabs(p) <= limit)) p = p > limit ? limit : -limit;
    return p;
}

/* Complete mus as predict_own does, for a row whose values are all in the window. */
static inline void complete_row(const rcz_pass *pass, state *st, int64_t y) {
    const rcz_taps *taps = &pass->taps;
    const int64_t *sets = st->sets;
    const double *row = window_row(pass, st, y);
    int64_t n = pass->width, radius = taps->radius, side = sets[0] != sets[n / 2] ? taps->reach : 0;
    const double *own = taps->own + sets[n / 2] * radius;
    double *restrict acc = st->mus, limit = pow2(pass->clamp);
    for (int64_t k = 0; k < radius; k++) {
        double c = own[k];
        const double *restrict part = row + k;
        for (int64_t x = side; x < n - side; x++) acc[x] += c * part[x];
    }
    for (int64_t i = 0; i < 2 * side; i++) {
        int64_t x = i < side ? i : n - 2 * side + i;
        const double *mine = taps->own + sets[x] * radius;
        double p = acc[x];
        for (int64_t k = 0; k < radius; k++) p += mine[k] * row[x + k];
        acc[x] = p;
    }
    for (int64_t x = 0; x < n; x++) {
        double p = acc[x];
        p = p >= -limit ? p : -limit;
        acc[x] = p <= limit ? p : limit;
    }
}

/* Fill context with what the rows above, and the plane before, add to the sum of weighted errors. */
static inline void error_above(const rcz_pass *pass, state *st, int64_t y) {
    int64_t n = pass->width;
    const double *restrict a = error_row(pass, st, y - 1), *restrict b = error_row(pass, st, y - 2);
    const double *restrict c = error_row(pass, st, y - 3), *restrict d = error_row(pass, st, y - 4);
    double *restrict acc = st->context;
    for (int64_t x = 0; x < n; x++) {
        double t = 16.0 * a[x];
        t += 20.0 * a[x + 1];
        t += 28.0 * a[x + 2];
        t += 44.0 * a[x + 3];
        t += 63.0 * a[x + 4];
        t += 44.0 * a[x + 5];
        t += 28.0 * a[x + 6];
        t += 20.0 * a[x + 7];
        t += 16.0 * a[x + 8];
        t += 18.0 * b[x + 1];
        t += 22.0 * b[x + 2];
        t += 28.0 * b[x + 3];
        t += 31.0 * b[x + 4];
        t += 28.0 * b[x + 5];
        t += 22.0 * b[x + 6];
        t += 18.0 * b[x + 7];
        t += 18.0 * c[x + 2];
        t += 20.0 * c[x + 3];
        t += 21.0 * c[x + 4];
        t += 20.0 * c[x + 5];
        t += 18.0 * c[x + 6];
        t += 15.0 * d[x + 3];
        t += 16.0 * d[x + 4];
        t += 15.0 * d[x + 5];
        acc[x] = t;
    }
    st->inverse = errors_before(pass, &st->earlier, y, acc);
}

/* Expected error of a sample: what the rows above add, completed by its own row, which has REACH columns in front. The
 * error before it is given, as in predict_own. */
static inline double expected_error(const double *row, int64_t x, double t, double least, double before,
                                    double inverse) {
    t += 16.0 * row[x];
    t += 21.0 * row[x + 1];
    t += 31.0 * row[x + 2];
    t += 63.0 * before;
    t *= inverse;
    return max_d(t, least);
}

/* Complete context as expected_error does, for a row whose errors are all known. */
static inline void complete_errors(const rcz_pass *pass, state *st, const double *restrict row, double least) {
    double *restrict acc = st->context;
    for (int64_t x = 0; x < pass->width; x++) acc[x] = expected_error(row, x, acc[x], least, row[x + 3], st->inverse);
}

static inline int64_t class_of(double t, int64_t level) {
    return clamp_i((bits_of(t) >> 50) - 4092 - level + N_CLASSES / 2, 0, N_CLASSES - 1);
}

/* Table of a class's scale in bins of 2^d, of floats. */
static inline int64_t table_of(const error_class *of, int64_t d) { return clamp_i(of->place - 8 * d, 0, N_TABLES - 1); }

/* Phase of a position above its bin's start; just under a bin's end the difference may round up to 1. */
static inline int64_t phase_of(double rho, double base) { return min_i((int64_t)((rho - base) * PHASES), PHASES - 1); }

/* Exponent of the spacing of floats around mu, at least z. */
static inline int64_t unit_exponent(double mu, int64_t z, int64_t mantissa) {
    double a = fabs(mu);
    return a < TINY ? z : max_i(z, exponent_of(a) - mantissa);
}

/* The bin that a prediction lies in: bins are 2^d wide, and the spacing of values is 2^u. */
typedef struct {
    int64_t d, u, table; /* table * 9 + phase */
    double base;
} bin;

/* The table of a prediction at rho bins; a position where bins are no longer exact gives RCZ_UNFIT. */
static inline int32_t find_bin(double rho, int64_t table, int centred, bin *out) {
    out->base = floor(rho);
    if (!(fabs(rho) <= 0x1p60)) return RCZ_UNFIT;
    out->table = table * N_PHASES + (centred ? CENTRED : phase_of(rho, out->base));
    return RCZ_OK;
}

/* The bin of a float whose prediction is mu, with errors of a class. */
static inline int32_t bin_of_float(const rcz_pass *pass, double mu, const error_class *of, bin *out) {
    out->u = unit_exponent(mu, pass->quantum, pass->mantissa);
    out->d = max_i(out->u, of->bin);
    if (out->d > 1000 || out->u < -1020) return RCZ_UNFIT;
    /* Half a spacing with the sign of mu, without a branch: the signs of noise cannot be foreseen. */
    double half = from_bits(bits_of(pow2(out->u - 1)) | (bits_of(mu) & INT64_MIN));
    return find_bin((mu == 0.0 ? mu : mu + half) * pow2(-out->d), table_of(of, out->d), 0, out);
}

/* The bin of an integer; in a loop, the bin of a step is centred where it is one wide. */
static inline int32_t bin_of_int(double mu, const error_class *of, int loop, bin *out) {
    out->u = 0;
    out->d = of->bin;
    if (out->d > MAX_INT_STEP) return RCZ_UNFIT;
    return find_bin((mu + 0.5) * pow2(-out->d), of->table, loop && out->d == 0, out);
}

/* Predicted value in units of the sample's own step, kept within the integers that are exact. */
static inline double unit_mean(double mu, double g, double u) {
    if (g != 1.0) mu = mu / g;
    mu = mu - u;
    mu = mu > -INT_LIMIT ? mu : -INT_LIMIT; /* also where it is not a number */
    return mu < INT_LIMIT ? mu : INT_LIMIT;
}

/* Fill the left margin of row y's errors from the row above. */
static inline void begin_row(const rcz_pass *pass, state *st, int64_t y) {
    double *row = error_row(pass, st, y);
    const double *above = error_row(pass, st, y - 1);
    for (int64_t k = 0; k < REACH; k++) row[k] = above[REACH];
}

/* Keep the window values and the errors of row y for later planes. */
static inline void keep_row(const rcz_pass *pass, state *st, int64_t y) {
    const double *restrict window = window_row(pass, st, y) + pass->taps.radius;
    double *restrict kept = st->earlier.kept + y * pass->width;
    for (int64_t x = 0; x < pass->width; x++) kept[x] = st->before[x] + window[x];
    int64_t wide = pass->width + 2 * NEAR;
    if (pass->earlier.blend > 0)
        memcpy(st->earlier.errors_kept + y * wide, error_row(pass, st, y) + REACH - NEAR, (size_t)wide * sizeof(double));
}

/* Fill both margins of row y's errors from its own ends, and keep what later planes need. */
static inline void end_row(const rcz_pass *pass, state *st, int64_t y) {
    double *row = error_row(pass, st, y);
    for (int64_t k = 0; k < REACH; k++) {
        row[k] = row[REACH];
        row[REACH + pass->width + k] = row[REACH + pass->width - 1];
    }
    if (pass->earlier.lags > 0) keep_row(pass, st, y);
}

/* Move a class's mean error towards an error. */
static inline void learn(state *st, error_class *of, double error, int whole) {
    double mean = of->mean + (error - of->mean) * of->rate;
    set_mean(of, whole ? mean : max_d(mean, TINY), whole ? 0 : NO_BIN);
    of->count = min_i(of->count + 1, MAX_COUNT);
    of->rate = st->rates[of->count];
}

#endif
