/* The encoder's pass over a tile: the symbol, its table and the raw bits of each sample (docs/format.md, 8.5).
 *
 * Row by row: first means and expected errors, then symbols, whose classes are all that waits for the sample before. The
 * means of a row whose values are all known wait for nothing, which leaves its taps to SIMD. In a loop, and beside special
 * samples, each waits for its neighbour: there symbols are made sample by sample too, while the processor waits.
 */
#include "predict.h"

#define MOST_ESCAPE ((int64_t)1 << 53) /* distances from which an escape takes more bits than decoders read */

int64_t RCZ(pass_bytes)(int64_t radius, int64_t width) { return pass_bytes(radius, width); }

/* Append n <= 64 bits of value, least significant first. Behind the bits written so far, raw holds zeros. */
static inline int64_t put(uint8_t *raw, int64_t pos, uint64_t value, int64_t n) {
    uint8_t *at = raw + (pos >> 3);
    int64_t off = pos & 7;
    value = low_bits(value, n);
    store_64(at, load_64(at) | value << off);
    if (off + n > 64) at[8] = (uint8_t)(value >> (64 - off));
    return pos + n;
}

/* Append the refinement of a magnitude a in bin m of width 2^d. */
static int64_t put_float(uint8_t *raw, int64_t pos, double a, int64_t m, int64_t d, int64_t z, int64_t mantissa) {
    if (m > 0) {
        int64_t f = max_i(z, exponent_of((double)m) + d - mantissa);
        if (d > f) pos = put(raw, pos, (uint64_t)((a - (double)m * pow2(d)) * pow2(-f)), d - f);
        return pos;
    }
    int64_t f = d;
    for (; f - mantissa - 1 >= z; f--) {
        if (a >= pow2(f - 1)) {
            pos = put(raw, pos, 1, 1);
            return put(raw, pos, (uint64_t)((a - pow2(f - 1)) * pow2(mantissa + 1 - f)), mantissa);
        }
        pos = put(raw, pos, 0, 1);
    }
    if (f > z) pos = put(raw, pos, (uint64_t)(a * pow2(-z)), f - z);
    return pos;
}

/* Append the distance k of a bin that no symbol reaches. */
static int64_t put_escape(uint8_t *raw, int64_t pos, int64_t k) {
    uint64_t q = k >= 0 ? 2 * (uint64_t)k : 2 * (uint64_t)(-k) - 1;
    int64_t length = 0;
    while (q >> length > 0) length++;
    pos = put(raw, pos, (uint64_t)length, 6);
    return put(raw, pos, q, length);
}

/* Complete mus of a row of values, none of them special, and fill its errors. */
static void predict_known_float(const rcz_pass *pass, state *st, int64_t y, const double *values) {
    int64_t n = pass->width, radius = pass->taps.radius;
    double *target = window_row(pass, st, y) + radius, *errors = error_row(pass, st, y) + REACH;
    for (int64_t x = 0; x < n; x++) target[x] = values[x] - st->base[x];
    complete_row(pass, st, y);
    for (int64_t x = 0; x < n; x++) {
        double mu = st->base[x] + st->mus[x];
        st->mus[x] = mu;
        errors[x] = max_d(fabs(values[x] - mu), pow2(unit_exponent(mu, pass->quantum, pass->mantissa) - 2));
    }
}

/* Where symbols and bits go; NULL-free copies of rcz_symbols, which the loops keep in registers. */
typedef struct {
    uint16_t *tables;
    uint8_t *symbols, *raw;
    int64_t n, pos, capacity, most_bits;
} writer;

static inline writer begin_writer(const rcz_symbols *out) {
    writer w = {.tables = out->tables, .symbols = out->symbols, .raw = out->raw, .n = out->n_symbols, .pos = out->n_bits};
    w.capacity = out->capacity;
    w.most_bits = (out->raw_bytes - RCZ_RAW_SPARE) * 8;
    return w;
}

static inline int32_t end_writer(const writer *w, rcz_symbols *out, int32_t status) {
    out->n_symbols = w->n;
    out->n_bits = w->pos;
    return status;
}

/* Whether an escape would take more bits than decoders read. */
static inline int too_far(int64_t k) { return k >= MOST_ESCAPE || k <= -MOST_ESCAPE; }

/* Symbol, table and bits of a float v predicted as mu, with expected error t; error is its own. */
static inline int32_t code_float(const rcz_pass *pass, state *st, double v, double mu, double t, double error, writer *w) {
    error_class *class = &st->classes[class_of(t, pass->level)];
    bin b;
    if (w->n >= w->capacity || bin_of_float(pass, mu, class, &b) != RCZ_OK) return RCZ_UNFIT;
    w->tables[w->n] = (uint16_t)b.table;
    double a = fabs(v), scaled = a * pow2(-b.d);
    uint8_t symbol = 0;
    if (!(scaled < 0x1p53)) { /* stored as it is */
        w->pos = put(w->raw, w->pos, 63, 6);
        w->pos = put(w->raw, w->pos, (uint64_t)bits_of(v), 64);
    } else {
        int64_t m = (int64_t)floor(scaled), k = (m ^ -(int64_t)(v < 0.0)) - (int64_t)b.base; /* without a branch */
        if (-63 <= k && k <= 63)
            symbol = (uint8_t)(k + 64);
        else if (too_far(k))
            return RCZ_UNFIT;
        else
            w->pos = put_escape(w->raw, w->pos, k);
        w->pos = put_float(w->raw, w->pos, a, m, b.d, pass->quantum, pass->mantissa);
    }
    w->symbols[w->n++] = symbol;
    if (w->pos > w->most_bits) return RCZ_NO_SPACE;
    learn(st, class, error, 0);
    return RCZ_OK;
}

/* A row whose means, expected errors and errors are all known. */
static int32_t code_known_float(const rcz_pass *pass, state *st, const double *values, const double *errors,
                                rcz_symbols *out) {
    writer w = begin_writer(out);
    int32_t status = RCZ_OK;
    for (int64_t x = 0; x < pass->width && status == RCZ_OK; x++)
        status = code_float(pass, st, values[x], st->mus[x], st->context[x], errors[x], &w);
    return end_writer(&w, out, status);
}

/* A row with special samples, sample by sample. */
static int32_t code_waiting_float(const rcz_pass *pass, state *st, int64_t y, const double *values, const uint8_t *special,
                                  rcz_symbols *out) {
    const rcz_taps *taps = &pass->taps;
    int64_t radius = taps->radius;
    double *row = window_row(pass, st, y), *errors = error_row(pass, st, y), limit = pow2(pass->clamp);
    double before = row[radius - 1], error = errors[REACH - 1];
    writer w = begin_writer(out);
    int32_t status = RCZ_OK;
    for (int64_t x = 0; x < pass->width && status == RCZ_OK; x++) {
        double p = predict_own(row, x, radius, taps->own + st->sets[x] * radius, st->mus[x], limit, before);
        double t = expected_error(errors, x, st->context[x], TINY, error, st->inverse);
        if (special[x]) {
            before = p;
            error = t;
        } else {
            double mu = st->base[x] + p;
            error = max_d(fabs(values[x] - mu), pow2(unit_exponent(mu, pass->quantum, pass->mantissa) - 2));
            before = values[x] - st->base[x];
            status = code_float(pass, st, values[x], mu, t, error, &w);
        }
        row[x + radius] = before;
        errors[x + REACH] = error;
    }
    return end_writer(&w, out, status);
}

/* The special samples of a row, NULL if it has none. */
static const uint8_t *marks_of_row(const rcz_pass *pass, int64_t p, int64_t y) {
    if (pass->special == NULL) return NULL;
    const uint8_t *row = pass->special + (p * pass->height + y) * pass->width;
    for (int64_t x = 0; x < pass->width; x++)
        if (row[x]) return row;
    return NULL;
}

static int32_t begin_symbols(rcz_symbols *out) {
    out->n_symbols = out->n_bits = 0;
    return out->raw_bytes < RCZ_RAW_SPARE ? RCZ_BAD_ARGUMENT : RCZ_OK;
}

int32_t RCZ(encode_float)(const rcz_pass *pass, const double *values, rcz_symbols *out) {
    state st;
    int32_t status = begin_pass(pass, &st, 0);
    if (status == RCZ_OK) status = begin_symbols(out);
    for (int64_t p = 0; p < pass->planes && status == RCZ_OK; p++) {
        begin_plane(pass, &st, p);
        for (int64_t y = 0; y < pass->height && status == RCZ_OK; y++) {
            const double *value = values + (p * pass->height + y) * pass->width;
            const uint8_t *special = marks_of_row(pass, p, y);
            predict_rows(pass, &st, y);
            error_above(pass, &st, y);
            begin_row(pass, &st, y);
            if (special == NULL) {
                predict_known_float(pass, &st, y, value);
                complete_errors(pass, &st, error_row(pass, &st, y), TINY);
                status = code_known_float(pass, &st, value, error_row(pass, &st, y) + REACH, out);
            } else {
                status = code_waiting_float(pass, &st, y, value, special, out);
            }
            end_row(pass, &st, y);
        }
    }
    return status;
}

/* As predict_known_float; gain and dither are the row's or NULL. */
static void predict_known_int(const rcz_pass *pass, state *st, int64_t y, const int64_t *values, const double *gain,
                              const double *dither) {
    int64_t n = pass->width, radius = pass->taps.radius;
    double *target = window_row(pass, st, y) + radius, *errors = error_row(pass, st, y) + REACH, *mus = st->mus;
    for (int64_t x = 0; x < n; x++)
        target[x] = ((double)values[x] + (dither ? dither[x] : 0.0)) * (gain ? gain[x] : 1.0) - st->base[x];
    complete_row(pass, st, y);
    for (int64_t x = 0; x < n; x++)
        mus[x] = unit_mean(st->base[x] + mus[x], gain ? gain[x] : 1.0, dither ? dither[x] : 0.0);
    for (int64_t x = 0; x < n; x++) errors[x] = max_d(fabs((double)values[x] - mus[x]), ERROR_FLOOR);
}

/* One row of integers: values, what a loop's values shall be near (or NULL), gain and dither (or NULL), marks (or NULL). */
typedef struct {
    int64_t *values;
    const double *targets, *gain, *dither;
    const uint8_t *special;
} int_row;

/* Symbol, table and bits of k, predicted as mu with expected error t; error is its own. */
static inline int32_t code_int(const rcz_pass *pass, state *st, int64_t k, double mu, double t, double error, int loop,
                               writer *w) {
    error_class *class = &st->classes[class_of(t, pass->level)];
    bin b;
    if (k > INT_BOUND || k < -INT_BOUND || w->n >= w->capacity) return RCZ_UNFIT;
    if (bin_of_int(mu, class, loop, &b) != RCZ_OK) return RCZ_UNFIT;
    w->tables[w->n] = (uint16_t)b.table;
    int64_t bins = (k >> b.d) - (int64_t)b.base;
    uint8_t symbol = 0;
    if (-63 <= bins && bins <= 63)
        symbol = (uint8_t)(bins + 64);
    else if (too_far(bins))
        return RCZ_UNFIT;
    else
        w->pos = put_escape(w->raw, w->pos, bins);
    w->symbols[w->n++] = symbol;
    if (b.d > 0) w->pos = put(w->raw, w->pos, (uint64_t)k, b.d);
    if (w->pos > w->most_bits) return RCZ_NO_SPACE;
    learn(st, class, error, 1);
    return RCZ_OK;
}

static int32_t code_known_int(const rcz_pass *pass, state *st, const int64_t *values, const double *errors,
                              rcz_symbols *out) {
    writer w = begin_writer(out);
    int32_t status = RCZ_OK;
    for (int64_t x = 0; x < pass->width && status == RCZ_OK; x++)
        status = code_int(pass, st, values[x], st->mus[x], st->context[x], errors[x], 0, &w);
    return end_writer(&w, out, status);
}

/* A row of a loop, whose values are found and filled in, or one with special samples: sample by sample. ``plain`` is 1
 * where there is neither gain nor dither nor a special sample. */
static inline int32_t code_waiting_int(const rcz_pass *pass, state *st, int64_t y, const int_row *r, int plain, int loop,
                                       rcz_symbols *out) {
    const rcz_taps *taps = &pass->taps;
    int64_t radius = taps->radius;
    double *row = window_row(pass, st, y), *errors = error_row(pass, st, y), limit = pow2(pass->clamp);
    double before = row[radius - 1], error = errors[REACH - 1];
    const double *base = st->base;
    writer w = begin_writer(out);
    int32_t status = RCZ_OK;
    for (int64_t x = 0; x < pass->width && status == RCZ_OK; x++) {
        double p = predict_own(row, x, radius, taps->own + st->sets[x] * radius, st->mus[x], limit, before);
        double t = expected_error(errors, x, st->context[x], ERROR_FLOOR, error, st->inverse);
        if (!plain && r->special != NULL && r->special[x]) {
            row[x + radius] = before = p;
            errors[x + REACH] = error = t;
            continue;
        }
        double g = !plain && r->gain ? r->gain[x] : 1.0, u = !plain && r->dither ? r->dither[x] : 0.0, mu = base[x] + p, v;
        int moved = !plain && (r->gain || r->dither);
        int64_t k;
        if (moved) mu = unit_mean(mu, g, u);
        if (loop) {
            double centre = floor(mu + 0.5), step = floor((r->targets[x] - centre) * (1.0 / LOOP_BIN) + 0.5);
            v = centre + LOOP_BIN * step;
            if (!(fabs(v) <= INT_LIMIT) || !(fabs(step) <= INT_LIMIT)) {
                status = RCZ_UNFIT;
                break;
            }
            r->values[x] = (int64_t)v;
            k = (int64_t)step;
            mu = 0.0;
            error = fabs(step);
        } else {
            k = r->values[x];
            v = (double)k;
            error = fabs(v - mu);
            if (!(fabs(v) <= INT_LIMIT)) {
                status = RCZ_UNFIT;
                break;
            }
        }
        row[x + radius] = before = (moved ? (v + u) * g : v) - base[x];
        errors[x + REACH] = error = max_d(error, ERROR_FLOOR);
        status = code_int(pass, st, k, mu, t, error, loop, &w);
    }
    return end_writer(&w, out, status);
}

static int32_t code_row_int(const rcz_pass *pass, state *st, int64_t y, const int_row *r, rcz_symbols *out) {
    int plain = r->gain == NULL && r->dither == NULL && r->special == NULL;
    if (r->targets == NULL) return code_waiting_int(pass, st, y, r, 0, 0, out);
    return plain ? code_waiting_int(pass, st, y, r, 1, 1, out) : code_waiting_int(pass, st, y, r, 0, 1, out);
}

int32_t RCZ(encode_int)(const rcz_pass *pass, int64_t *values, const double *targets, const double *gain,
                        const double *dither, rcz_symbols *out) {
    state st;
    int32_t status = begin_pass(pass, &st, 1);
    if (status == RCZ_OK) status = begin_symbols(out);
    for (int64_t p = 0; p < pass->planes && status == RCZ_OK; p++) {
        begin_plane(pass, &st, p);
        for (int64_t y = 0; y < pass->height && status == RCZ_OK; y++) {
            int64_t at = (p * pass->height + y) * pass->width;
            int_row r = {.values = values + at, .special = marks_of_row(pass, p, y)};
            if (targets != NULL) r.targets = targets + at;
            if (gain != NULL) r.gain = gain + at;
            if (dither != NULL) r.dither = dither + at;
            predict_rows(pass, &st, y);
            error_above(pass, &st, y);
            begin_row(pass, &st, y);
            if (targets == NULL && r.special == NULL) {
                predict_known_int(pass, &st, y, r.values, r.gain, r.dither);
                complete_errors(pass, &st, error_row(pass, &st, y), ERROR_FLOOR);
                status = code_known_int(pass, &st, r.values, error_row(pass, &st, y) + REACH, out);
            } else {
                status = code_row_int(pass, &st, y, &r, out);
            }
            end_row(pass, &st, y);
        }
    }
    return status;
}
