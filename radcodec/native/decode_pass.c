/* The decoder's pass over a tile: prediction and ANS decoding woven together (docs/format.md, 8.5 and 8.6). */
#include "predict.h"

#define COLUMNS (N_SYMBOLS + 1)
#define MOST_FLOAT 0x1p1001 /* magnitude over which a float is rejected */

typedef struct {
    const uint32_t *cumulative, *words;
    const uint8_t *starts, *raw;
    uint64_t state;
    int64_t words_left, pos, n_bits;
} reader;

static int32_t begin_reader(const rcz_streams *in, reader *r) {
    if (in->rows < N_TABLES * N_PHASES || in->n_words < 0) return RCZ_BAD_ARGUMENT;
    if (in->n_bits < 0 || in->raw_bytes < RCZ_RAW_SPARE || in->n_bits > (in->raw_bytes - RCZ_RAW_SPARE) * 8)
        return RCZ_BAD_ARGUMENT;
    *r = (reader){.cumulative = in->cumulative, .words = in->words, .starts = in->starts, .raw = in->raw};
    r->n_bits = in->n_bits;
    r->state = 0;
    r->pos = 0;
    r->words_left = in->n_words;
    for (int i = 0; i < 2 && r->words_left > 0; i++) r->state = r->state << 32 | in->words[--r->words_left];
    return RCZ_OK;
}

/* A stream must end with its last symbol and bit; spare bits of the last byte are 0. */
static int32_t end_reader(const reader *r) {
    if (r->state != 0 || r->words_left != 0 || (r->pos + 7) / 8 != (r->n_bits + 7) / 8) return RCZ_BAD_STREAM;
    return (r->pos & 7) != 0 && r->raw[r->pos >> 3] >> (r->pos & 7) != 0 ? RCZ_BAD_STREAM : RCZ_OK;
}

/* Number of n <= 64 bits; the spare bytes behind the last bit are read as zeros. */
static inline uint64_t get(reader *r, int64_t n) {
    const uint8_t *at = r->raw + (r->pos >> 3);
    int64_t off = r->pos & 7;
    uint64_t v = load_64(at) >> off;
    if (off + n > 64) v |= (uint64_t)at[8] << (64 - off);
    r->pos += n;
    return low_bits(v, n);
}

/* The stream's next symbol with a table. Where ``many`` symbols are likely, four are compared without a branch. */
static inline int64_t next_symbol(reader *r, int64_t table, int many) {
    uint32_t q = (uint32_t)(r->state & 0xFFFFFF);
    const uint32_t *row = r->cumulative + table * COLUMNS;
    int64_t k = r->starts[table * 64 + (q >> 18)];
    if (many && k < N_SYMBOLS - 4) k += (row[k + 1] <= q) + (row[k + 2] <= q) + (row[k + 3] <= q) + (row[k + 4] <= q);
    while (k < N_SYMBOLS - 1 && row[k + 1] <= q) k++;
    uint64_t low = row[k], size = row[k + 1] - low;
    r->state = (r->state >> 24) * size + q - low;
    if (r->state < (uint64_t)1 << 32 && r->words_left > 0) r->state = r->state << 32 | r->words[--r->words_left];
    return k;
}

/* Magnitude in bin m of width 2^d. */
static inline double take_float(reader *r, int64_t m, int64_t d, int64_t z, int64_t mantissa) {
    if (m > 0) {
        int64_t f = max_i(z, exponent_of((double)m) + d - mantissa);
        double a = (double)m * pow2(d);
        if (d > f) a += (double)get(r, d - f) * pow2(f);
        return a;
    }
    int64_t f = d;
    for (; f - mantissa - 1 >= z; f--)
        if (get(r, 1)) return pow2(f - 1) + (double)get(r, mantissa) * pow2(f - mantissa - 1);
    return f > z ? (double)get(r, f - z) * pow2(z) : 0.0;
}

/* Length of an escape, whose distance goes to k; 63 means that the value follows, else over 54 is an error. */
static inline int64_t take_escape(reader *r, int64_t *k) {
    int64_t length = (int64_t)get(r, 6);
    *k = 0;
    if (length > 54) return length;
    int64_t q = (int64_t)get(r, length);
    *k = (q & 1) == 0 ? q >> 1 : -((q + 1) >> 1);
    return length;
}

/* Row y of floats, to out; special is the row's or NULL. */
static int32_t decode_float_row(const rcz_pass *pass, state *st, int64_t y, const uint8_t *special, reader *from,
                                double *out) {
    const rcz_taps *taps = &pass->taps;
    int64_t radius = taps->radius;
    double *row = window_row(pass, st, y), *errors = error_row(pass, st, y), limit = pow2(pass->clamp);
    double before = row[radius - 1], error = errors[REACH - 1];
    const double *base = st->base;
    reader r = *from;
    for (int64_t x = 0; x < pass->width; x++) {
        double pred = predict_own(row, x, radius, taps->own + st->sets[x] * radius, st->mus[x], limit, before);
        double t = expected_error(errors, x, st->context[x], TINY, error, st->inverse);
        if (special != NULL && special[x]) {
            row[x + radius] = before = pred;
            errors[x + REACH] = error = t;
            out[x] = 0.0;
            continue;
        }
        double mu = base[x] + pred;
        error_class *class = &st->classes[class_of(t, pass->level)];
        bin b;
        if (bin_of_float(pass, mu, class, &b) != RCZ_OK) return RCZ_BAD_STREAM;
        int64_t symbol = next_symbol(&r, b.table, 1), k = symbol - 64;
        int64_t length = symbol == 0 ? take_escape(&r, &k) : 0;
        double v;
        if (length == 63) {
            v = from_bits((int64_t)get(&r, 64));
        } else {
            if (length > 54) return RCZ_BAD_STREAM;
            int64_t m = (int64_t)b.base + k, sign = -(int64_t)(m < 0); /* no branch: nobody foresees the signs of noise */
            v = from_bits(bits_of(take_float(&r, m ^ sign, b.d, pass->quantum, pass->mantissa)) ^ (sign & INT64_MIN));
        }
        if (r.pos > r.n_bits || !(fabs(v) <= MOST_FLOAT)) return RCZ_BAD_STREAM;
        errors[x + REACH] = error = max_d(fabs(v - mu), pow2(b.u - 2));
        learn(st, class, error, 0);
        row[x + radius] = before = v - base[x];
        out[x] = v;
    }
    *from = r;
    return RCZ_OK;
}

int32_t RCZ(decode_float)(const rcz_pass *pass, const rcz_streams *streams, double *out) {
    state st;
    reader r;
    int32_t status = begin_pass(pass, &st, 0);
    if (status == RCZ_OK) status = begin_reader(streams, &r);
    if (status != RCZ_OK) return status;
    for (int64_t p = 0; p < pass->planes; p++) {
        begin_plane(pass, &st, p);
        for (int64_t y = 0; y < pass->height; y++) {
            int64_t at = (p * pass->height + y) * pass->width;
            predict_rows(pass, &st, y);
            error_above(pass, &st, y);
            begin_row(pass, &st, y);
            status = decode_float_row(pass, &st, y, pass->special ? pass->special + at : NULL, &r, out + at);
            if (status != RCZ_OK) return status;
            end_row(pass, &st, y);
        }
    }
    return end_reader(&r);
}

/* One row of integers: where they go, gain, dither and marks (each NULL if there are none). */
typedef struct {
    int64_t *out;
    const double *gain, *dither;
    const uint8_t *special;
} int_row;

/* Row y of integers. ``plain`` is 1 where there is neither gain nor dither nor a special sample. */
static inline int32_t decode_int_row(const rcz_pass *pass, state *st, int64_t y, const int_row *to, int plain, int loop,
                                     reader *from) {
    const rcz_taps *taps = &pass->taps;
    int64_t radius = taps->radius;
    double *row = window_row(pass, st, y), *errors = error_row(pass, st, y), limit = pow2(pass->clamp);
    double before = row[radius - 1], error = errors[REACH - 1];
    const double *base = st->base;
    reader r = *from;
    for (int64_t x = 0; x < pass->width; x++) {
        double pred = predict_own(row, x, radius, taps->own + st->sets[x] * radius, st->mus[x], limit, before);
        double t = expected_error(errors, x, st->context[x], ERROR_FLOOR, error, st->inverse);
        if (!plain && to->special != NULL && to->special[x]) {
            row[x + radius] = before = pred;
            errors[x + REACH] = error = t;
            to->out[x] = 0;
            continue;
        }
        double g = !plain && to->gain ? to->gain[x] : 1.0, u = !plain && to->dither ? to->dither[x] : 0.0;
        double mu = unit_mean(base[x] + pred, g, u), centre = 0.0;
        if (loop) {
            centre = floor(mu + 0.5);
            mu = 0.0;
        }
        error_class *class = &st->classes[class_of(t, pass->level)];
        bin b;
        if (bin_of_int(mu, class, loop, &b) != RCZ_OK) return RCZ_BAD_STREAM;
        int64_t symbol = next_symbol(&r, b.table, 0), k = symbol - 64;
        if (symbol == 0 && take_escape(&r, &k) > 54) return RCZ_BAD_STREAM;
        int64_t m = (int64_t)b.base + k, most = INT_BOUND >> b.d;
        if (m > most || m < -most) return RCZ_BAD_STREAM;
        int64_t v = m * ((int64_t)1 << b.d);
        if (b.d > 0) v += (int64_t)get(&r, b.d);
        if (r.pos > r.n_bits) return RCZ_BAD_STREAM;
        errors[x + REACH] = error = max_d(fabs((double)v - mu), ERROR_FLOOR);
        if (loop) {
            v = (int64_t)centre + (int64_t)LOOP_BIN * v;
            if (v > INT_BOUND || v < -INT_BOUND) return RCZ_BAD_STREAM;
        }
        learn(st, class, error, 1);
        row[x + radius] = before = (plain ? (double)v : ((double)v + u) * g) - base[x];
        to->out[x] = v;
    }
    *from = r;
    return RCZ_OK;
}

static int32_t decode_any_int_row(const rcz_pass *pass, state *st, int64_t y, const int_row *to, int loop, reader *from) {
    int plain = to->gain == NULL && to->dither == NULL && to->special == NULL;
    if (!loop) return decode_int_row(pass, st, y, to, 0, 0, from);
    return plain ? decode_int_row(pass, st, y, to, 1, 1, from) : decode_int_row(pass, st, y, to, 0, 1, from);
}

int32_t RCZ(decode_int)(const rcz_pass *pass, const rcz_streams *streams, const double *gain, const double *dither,
                        int32_t loop, int64_t *out) {
    state st;
    reader r;
    int32_t status = begin_pass(pass, &st, 1);
    if (status == RCZ_OK) status = begin_reader(streams, &r);
    if (status != RCZ_OK) return status;
    for (int64_t p = 0; p < pass->planes; p++) {
        begin_plane(pass, &st, p);
        for (int64_t y = 0; y < pass->height; y++) {
            int64_t at = (p * pass->height + y) * pass->width;
            int_row to = {.out = out + at};
            if (gain != NULL) to.gain = gain + at;
            if (dither != NULL) to.dither = dither + at;
            if (pass->special != NULL) to.special = pass->special + at;
            predict_rows(pass, &st, y);
            error_above(pass, &st, y);
            begin_row(pass, &st, y);
            status = decode_any_int_row(pass, &st, y, &to, loop, &r);
            if (status != RCZ_OK) return status;
            end_row(pass, &st, y);
        }
    }
    return end_reader(&r);
}
