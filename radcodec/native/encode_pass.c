/* The encoder's pass over a tile: the symbol, its table and the raw bits of each sample (docs/format.md, 8.5).
 *
 * Row by row: first means and expected errors, then symbols, whose classes are all that waits for the sample before. The
 * means of a row whose values are all known wait for nothing, which leaves its taps to SIMD. In a loop, and beside special
 * samples, each waits for its neighbour.
 */
#include "predict.h"

#define MOST_ESCAPE ((int64_t)1 << 53) /* distances from which an escape takes more bits than decoders read */

int64_t RCZ(pass_bytes)(int64_t radius, int64_t width) { return pass_bytes(radius, width); }

/* Append n <= 64 bits of value, least significant first. */
static inline int64_t put(uint8_t *raw, int64_t pos, uint64_t value, int64_t n) {
    while (n > 0) {
        int64_t off = pos & 7, take = min_i(8 - off, n);
        raw[pos >> 3] |= (uint8_t)((value & (((uint64_t)1 << take) - 1)) << off);
        value >>= take;
        pos += take;
        n -= take;
    }
    return pos;
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

/* A tile or one of its rows: samples (reals or integers), what a loop's integers shall be near, gain and dither, marks of
 * special samples; NULL where there are none. */
typedef struct {
    const double *reals;
    int64_t *integers;
    const double *targets, *gain, *dither;
    const uint8_t *special;
} samples;

/* Complete mus of a row of values, none of them special, and fill its errors. */
static void predict_known_float(const rcz_pass *pass, state *st, int64_t y, const samples *r) {
    const double *values = r->reals;
    int64_t n = pass->width, radius = pass->taps.radius;
    double *target = window_row(pass, st, y) + radius, *errors = error_row(pass, st, y) + REACH;
    for (int64_t x = 0; x < n; x++) target[x] = values[x] - pass->fill;
    complete_row(pass, st, y);
    for (int64_t x = 0; x < n; x++) {
        double mu = pass->fill + st->mus[x];
        st->mus[x] = mu;
        errors[x] = max_d(fabs(values[x] - mu), pow2(unit_exponent(mu, pass->quantum, pass->mantissa) - 2));
    }
}

/* The same sample by sample for a row with special samples; context is completed too. */
static void predict_waiting_float(const rcz_pass *pass, state *st, int64_t y, const samples *r) {
    const rcz_taps *taps = &pass->taps;
    const double *values = r->reals;
    int64_t radius = taps->radius;
    double *row = window_row(pass, st, y), *errors = error_row(pass, st, y), limit = pow2(pass->clamp);
    for (int64_t x = 0; x < pass->width; x++) {
        double p = predict_own(row, x, radius, taps->own + st->sets[x] * radius, st->mus[x], limit);
        double t = expected_error(errors, x, st->context[x], TINY);
        st->context[x] = t;
        if (r->special[x]) {
            row[x + radius] = p;
            errors[x + REACH] = t;
            continue;
        }
        double mu = pass->fill + p;
        st->mus[x] = mu;
        errors[x + REACH] = max_d(fabs(values[x] - mu), pow2(unit_exponent(mu, pass->quantum, pass->mantissa) - 2));
        row[x + radius] = values[x] - pass->fill;
    }
}

/* Whether an escape would take more bits than decoders read. */
static inline int too_far(int64_t k) { return k >= MOST_ESCAPE || k <= -MOST_ESCAPE; }

static inline int real_too_far(double v, const bin *b) {
    double scaled = fabs(v) * pow2(-b->d);
    if (!(scaled < 0x1p53)) return 0; /* stored as it is */
    int64_t m = (int64_t)floor(scaled);
    return too_far((v >= 0.0 ? m : -m - 1) - (int64_t)b->base);
}

/* Append what says where a float lies beside its prediction's bin; gives its symbol. */
FOR_BOTH uint8_t put_real(const rcz_pass *pass, double v, const bin *b, uint8_t *raw, int64_t *pos) {
    double a = fabs(v), scaled = a * pow2(-b->d);
    if (!(scaled < 0x1p53)) {
        *pos = put(raw, *pos, 63, 6);
        *pos = put(raw, *pos, (uint64_t)bits_of(v), 64);
        return 0;
    }
    int64_t m = (int64_t)floor(scaled), k = (v >= 0.0 ? m : -m - 1) - (int64_t)b->base;
    uint8_t symbol = (uint8_t)(-63 <= k && k <= 63 ? k + 64 : 0);
    if (symbol == 0) *pos = put_escape(raw, *pos, k);
    *pos = put_float(raw, *pos, a, m, b->d, pass->quantum, pass->mantissa);
    return symbol;
}

/* The same for an integer. */
FOR_BOTH uint8_t put_integer(int64_t v, const bin *b, uint8_t *raw, int64_t *pos) {
    int64_t k = (v >> b->d) - (int64_t)b->base;
    uint8_t symbol = (uint8_t)(-63 <= k && k <= 63 ? k + 64 : 0);
    if (symbol == 0) *pos = put_escape(raw, *pos, k);
    if (b->d > 0) *pos = put(raw, *pos, (uint64_t)v & (((uint64_t)1 << b->d) - 1), b->d);
    return symbol;
}

/* Code a row whose predictions and errors are known. */
FOR_BOTH int32_t code_row(const rcz_pass *pass, state *st, const samples *r, const double *errors, rcz_symbols *out,
                          int reals) {
    int64_t pos = out->n_bits, n = out->n_symbols, most_bits = (out->raw_bytes - RCZ_RAW_SPARE) * 8;
    int loop = r->targets != NULL;
    int32_t status = RCZ_OK;
    for (int64_t x = 0; x < pass->width; x++) {
        if (r->special != NULL && r->special[x]) continue;
        int64_t c = class_of(st->context[x], pass->level), step = reals ? 0 : st->steps[x];
        double mu = st->mus[x], s = reals ? max_d(st->means[c], TINY) : st->means[c];
        bin b;
        status = reals ? bin_of_float(pass, mu, s, &b) : bin_of_int(mu, s, loop, &b);
        if (n >= out->capacity || step > INT_BOUND || step < -INT_BOUND) status = RCZ_UNFIT;
        if (status == RCZ_OK && (reals ? real_too_far(r->reals[x], &b) : too_far((step >> b.d) - (int64_t)b.base)))
            status = RCZ_UNFIT;
        if (status != RCZ_OK) break;
        out->tables[n] = (uint16_t)b.table;
        out->symbols[n] = reals ? put_real(pass, r->reals[x], &b, out->raw, &pos) : put_integer(step, &b, out->raw, &pos);
        n++;
        if (pos > most_bits) {
            status = RCZ_NO_SPACE;
            break;
        }
        learn(st, c, s, errors[x]);
    }
    out->n_symbols = n;
    out->n_bits = pos;
    return status;
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

/* As predict_known_float; gain and dither are the row's or NULL. */
static void predict_known_int(const rcz_pass *pass, state *st, int64_t y, const samples *r) {
    const int64_t *values = r->integers;
    const double *gain = r->gain, *dither = r->dither;
    int64_t n = pass->width, radius = pass->taps.radius;
    double *target = window_row(pass, st, y) + radius, *errors = error_row(pass, st, y) + REACH, *mus = st->mus;
    for (int64_t x = 0; x < n; x++)
        target[x] = ((double)values[x] + (dither ? dither[x] : 0.0)) * (gain ? gain[x] : 1.0) - pass->fill;
    complete_row(pass, st, y);
    for (int64_t x = 0; x < n; x++)
        mus[x] = unit_mean(pass->fill + mus[x], gain ? gain[x] : 1.0, dither ? dither[x] : 0.0);
    for (int64_t x = 0; x < n; x++) errors[x] = max_d(fabs((double)values[x] - mus[x]), ERROR_FLOOR);
}

/* As predict_waiting_float; of a loop the steps are found and the values filled. */
static int32_t predict_waiting_int(const rcz_pass *pass, state *st, int64_t y, const samples *r) {
    const rcz_taps *taps = &pass->taps;
    int64_t radius = taps->radius;
    double *row = window_row(pass, st, y), *errors = error_row(pass, st, y), limit = pow2(pass->clamp);
    for (int64_t x = 0; x < pass->width; x++) {
        double p = predict_own(row, x, radius, taps->own + st->sets[x] * radius, st->mus[x], limit);
        double t = expected_error(errors, x, st->context[x], ERROR_FLOOR);
        st->context[x] = t;
        if (r->special != NULL && r->special[x]) {
            row[x + radius] = p;
            errors[x + REACH] = t;
            continue;
        }
        double g = r->gain ? r->gain[x] : 1.0, u = r->dither ? r->dither[x] : 0.0, mu = pass->fill + p, v, e;
        if (r->gain || r->dither) mu = unit_mean(mu, g, u);
        if (r->targets != NULL) {
            double centre = floor(mu + 0.5), step = floor((r->targets[x] - centre) * (1.0 / LOOP_BIN) + 0.5);
            v = centre + LOOP_BIN * step;
            if (!(fabs(v) <= INT_LIMIT) || !(fabs(step) <= INT_LIMIT)) return RCZ_UNFIT;
            r->integers[x] = (int64_t)v;
            st->steps[x] = (int64_t)step;
            mu = 0.0;
            e = fabs(step);
        } else {
            v = (double)r->integers[x];
            e = fabs(v - mu);
        }
        if (!(fabs(v) <= INT_LIMIT)) return RCZ_UNFIT;
        st->mus[x] = mu;
        errors[x + REACH] = max_d(e, ERROR_FLOOR);
        if (r->gain || r->dither) v = (v + u) * g;
        row[x + radius] = v - pass->fill;
    }
    return RCZ_OK;
}

/* Find the predictions and errors of row y, and code it. */
FOR_BOTH int32_t encode_row(const rcz_pass *pass, state *st, int64_t y, const samples *r, rcz_symbols *out, int reals) {
    int32_t status = RCZ_OK;
    if (!reals && r->targets == NULL)
        for (int64_t x = 0; x < pass->width; x++) st->steps[x] = r->integers[x];
    if (r->special == NULL && r->targets == NULL) {
        if (reals)
            predict_known_float(pass, st, y, r);
        else
            predict_known_int(pass, st, y, r);
        complete_errors(pass, st, error_row(pass, st, y), reals ? TINY : ERROR_FLOOR);
    } else if (reals) {
        predict_waiting_float(pass, st, y, r);
    } else {
        status = predict_waiting_int(pass, st, y, r);
    }
    return status == RCZ_OK ? code_row(pass, st, r, error_row(pass, st, y) + REACH, out, reals) : status;
}

FOR_BOTH int32_t encode(const rcz_pass *pass, const samples *all, rcz_symbols *out, int reals) {
    state st;
    int32_t status = begin_pass(pass, &st);
    if (status == RCZ_OK) status = begin_symbols(out);
    for (int64_t p = 0; p < pass->planes && status == RCZ_OK; p++) {
        begin_plane(pass, &st);
        for (int64_t y = 0; y < pass->height && status == RCZ_OK; y++) {
            int64_t at = (p * pass->height + y) * pass->width;
            samples row = {.special = marks_of_row(pass, p, y)};
            if (reals)
                row.reals = all->reals + at;
            else
                row.integers = all->integers + at;
            if (all->targets != NULL) row.targets = all->targets + at;
            if (all->gain != NULL) row.gain = all->gain + at;
            if (all->dither != NULL) row.dither = all->dither + at;
            predict_rows(pass, &st, y);
            error_above(pass, &st, y);
            begin_row(pass, &st, y);
            status = encode_row(pass, &st, y, &row, out, reals);
            end_row(pass, &st, y);
        }
    }
    return status;
}

int32_t RCZ(encode_float)(const rcz_pass *pass, const double *values, rcz_symbols *out) {
    const samples all = {.reals = values};
    return encode(pass, &all, out, 1);
}

int32_t RCZ(encode_int)(const rcz_pass *pass, int64_t *values, const double *targets, const double *gain,
                        const double *dither, rcz_symbols *out) {
    const samples all = {.integers = values, .targets = targets, .gain = gain, .dither = dither};
    return encode(pass, &all, out, 0);
}
