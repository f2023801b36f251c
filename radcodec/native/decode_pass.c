/* The decoder's pass over a tile: prediction and ANS decoding woven together (docs/format.md, 8.5 and 8.6). */
#include "predict.h"

#define COLUMNS (N_SYMBOLS + 1)
#define MOST_FLOAT 0x1p1001 /* magnitude over which a float is rejected */

typedef struct {
    const rcz_streams *in;
    uint64_t state;
    int64_t words_left, pos;
} reader;

static int32_t begin_reader(const rcz_streams *in, reader *r) {
    if (in->rows < N_TABLES * N_PHASES || in->n_words < 0) return RCZ_BAD_ARGUMENT;
    if (in->n_bits < 0 || in->raw_bytes < RCZ_RAW_SPARE || in->n_bits > (in->raw_bytes - RCZ_RAW_SPARE) * 8)
        return RCZ_BAD_ARGUMENT;
    r->in = in;
    r->state = 0;
    r->pos = 0;
    r->words_left = in->n_words;
    for (int i = 0; i < 2 && r->words_left > 0; i++) r->state = r->state << 32 | in->words[--r->words_left];
    return RCZ_OK;
}

/* A stream must end with its last symbol and bit; spare bits of the last byte are 0. */
static int32_t end_reader(const reader *r) {
    if (r->state != 0 || r->words_left != 0 || (r->pos + 7) / 8 != (r->in->n_bits + 7) / 8) return RCZ_BAD_STREAM;
    return (r->pos & 7) != 0 && r->in->raw[r->pos >> 3] >> (r->pos & 7) != 0 ? RCZ_BAD_STREAM : RCZ_OK;
}

/* Number of n <= 64 bits; the spare bytes behind the last bit are read as zeros. */
static uint64_t get(reader *r, int64_t n) {
    uint64_t v = 0;
    int64_t pos = r->pos;
    for (int64_t got = 0; got < n;) {
        int64_t off = pos & 7, take = min_i(8 - off, n - got);
        uint64_t piece = ((uint64_t)r->in->raw[pos >> 3] >> off) & (((uint64_t)1 << take) - 1);
        v |= piece << got;
        got += take;
        pos += take;
    }
    r->pos = pos;
    return v;
}

static inline int64_t next_symbol(reader *r, int64_t table) {
    uint32_t q = (uint32_t)(r->state & 0xFFFFFF);
    const uint32_t *row = r->in->cumulative + table * COLUMNS;
    int64_t k = r->in->starts[table * 64 + (q >> 18)];
    while (k < N_SYMBOLS - 1 && row[k + 1] <= q) k++;
    uint64_t low = row[k], size = row[k + 1] - low;
    r->state = (r->state >> 24) * size + q - low;
    if (r->state < (uint64_t)1 << 32 && r->words_left > 0) r->state = r->state << 32 | r->in->words[--r->words_left];
    return k;
}

/* Magnitude in bin m of width 2^d. */
static double take_float(reader *r, int64_t m, int64_t d, int64_t z, int64_t mantissa) {
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
static int64_t take_escape(reader *r, int64_t *k) {
    int64_t length = (int64_t)get(r, 6);
    *k = 0;
    if (length > 54) return length;
    int64_t q = (int64_t)get(r, length);
    *k = (q & 1) == 0 ? q >> 1 : -((q + 1) >> 1);
    return length;
}

/* Where a tile's samples go, and how integers become values. */
typedef struct {
    double *reals; /* or integers */
    int64_t *integers;
    const double *gain, *dither; /* or NULL */
    int loop;
} target;

/* One sample as it is read: its prediction and class, then its error and value. */
typedef struct {
    double mu, s, error, value;
} sample;

/* Read a float; in: mu, s. */
FOR_BOTH int32_t take_real(const rcz_pass *pass, reader *r, sample *one, double *out) {
    bin b;
    one->s = max_d(one->s, TINY);
    if (bin_of_float(pass, one->mu, one->s, &b) != RCZ_OK) return RCZ_BAD_STREAM;
    int64_t symbol = next_symbol(r, b.table), k = symbol - 64;
    int64_t length = symbol == 0 ? take_escape(r, &k) : 0;
    double v;
    if (length == 63) {
        v = from_bits((int64_t)get(r, 64));
    } else {
        if (length > 54) return RCZ_BAD_STREAM;
        int64_t m = (int64_t)b.base + k;
        double a = take_float(r, m >= 0 ? m : -m - 1, b.d, pass->quantum, pass->mantissa);
        v = m >= 0 ? a : -a;
    }
    if (r->pos > r->in->n_bits || !(fabs(v) <= MOST_FLOAT)) return RCZ_BAD_STREAM;
    one->error = max_d(fabs(v - one->mu), pow2(b.u - 2));
    one->value = v - pass->fill;
    *out = v;
    return RCZ_OK;
}

/* Read an integer; in: mu, s. */
FOR_BOTH int32_t take_integer(const rcz_pass *pass, reader *r, const target *to, int64_t at, sample *one) {
    double g = to->gain ? to->gain[at] : 1.0, u = to->dither ? to->dither[at] : 0.0;
    double mu = unit_mean(one->mu, g, u);
    int64_t centre = 0;
    bin b;
    if (to->loop) {
        centre = (int64_t)floor(mu + 0.5);
        mu = 0.0;
    }
    if (bin_of_int(mu, one->s, to->loop, &b) != RCZ_OK) return RCZ_BAD_STREAM;
    int64_t symbol = next_symbol(r, b.table), k = symbol - 64;
    if (symbol == 0 && take_escape(r, &k) > 54) return RCZ_BAD_STREAM;
    int64_t m = (int64_t)b.base + k, most = INT_BOUND >> b.d;
    if (m > most || m < -most) return RCZ_BAD_STREAM;
    int64_t v = m * ((int64_t)1 << b.d);
    if (b.d > 0) v += (int64_t)get(r, b.d);
    if (r->pos > r->in->n_bits) return RCZ_BAD_STREAM;
    one->error = max_d(fabs((double)v - mu), ERROR_FLOOR);
    if (to->loop) {
        v = centre + (int64_t)LOOP_BIN * v;
        if (v > INT_BOUND || v < -INT_BOUND) return RCZ_BAD_STREAM;
    }
    one->value = ((double)v + u) * g - pass->fill;
    to->integers[at] = v;
    return RCZ_OK;
}

FOR_BOTH int32_t decode(const rcz_pass *pass, const rcz_streams *streams, const target *to, int reals) {
    state st;
    reader r;
    const rcz_taps *taps = &pass->taps;
    int32_t status = begin_pass(pass, &st);
    if (status == RCZ_OK) status = begin_reader(streams, &r);
    if (status != RCZ_OK) return status;
    int64_t radius = taps->radius, at = 0;
    double limit = pow2(pass->clamp);
    for (int64_t p = 0; p < pass->planes; p++) {
        begin_plane(pass, &st);
        for (int64_t y = 0; y < pass->height; y++) {
            predict_rows(pass, &st, y);
            error_above(pass, &st, y);
            begin_row(pass, &st, y);
            double *row = window_row(pass, &st, y), *errors = error_row(pass, &st, y);
            for (int64_t x = 0; x < pass->width; x++, at++) {
                double pred = predict_own(row, x, radius, taps->own + st.sets[x] * radius, st.mus[x], limit);
                double t = expected_error(errors, x, st.context[x], reals ? TINY : ERROR_FLOOR);
                int64_t c = class_of(t, pass->level);
                sample one = {.mu = pass->fill + pred, .s = st.means[c], .error = t, .value = pred};
                if (pass->special != NULL && pass->special[at]) {
                    if (reals)
                        to->reals[at] = 0.0;
                    else
                        to->integers[at] = 0;
                } else {
                    status = reals ? take_real(pass, &r, &one, to->reals + at) : take_integer(pass, &r, to, at, &one);
                    if (status != RCZ_OK) return status;
                    learn(&st, c, one.s, one.error);
                }
                errors[x + REACH] = one.error;
                row[x + radius] = one.value;
            }
            end_row(pass, &st, y);
        }
    }
    return end_reader(&r);
}

int32_t RCZ(decode_float)(const rcz_pass *pass, const rcz_streams *streams, double *out) {
    target to = {.reals = out};
    return decode(pass, streams, &to, 1);
}

int32_t RCZ(decode_int)(const rcz_pass *pass, const rcz_streams *streams, const double *gain, const double *dither,
                        int32_t loop, int64_t *out) {
    target to = {.integers = out, .gain = gain, .dither = dither, .loop = loop != 0};
    return decode(pass, streams, &to, 0);
}
