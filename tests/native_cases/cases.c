/* Calls of the native core as bytes.
 *
 * A case is a byte that names its kind, fields of fixed size and arrays, little-endian. Arrays have the sizes that the
 * fields imply, as the Python side checks them; what a case lacks is zero. Every buffer is allocated to its exact size, so
 * that a sanitizer sees each access beyond it. After decoding, what was decoded is coded again.
 *
 * 0 floats, 1 integers: a tile of the detail layer. 2: a Rice code. 3: border sets. 4: a tile of a lapped model.
 * 5: corrections. 6: mostly one value. 7: a tile of a trellis model.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"

#ifndef VARIANT
#define VARIANT base
#endif
#define CALL2(name, variant) rcz_##name##_##variant
#define CALL1(name, variant) CALL2(name, variant)
#define CALL(name) CALL1(name, VARIANT)

#define TABLE_ROWS (88 * 9)
#define COLUMNS 129
#define PLANE_ROWS 633
#define TRELLIS_ROWS 2455
#define PLANE_COLUMNS 10
#define CELLS 16
#define EDGE 18
#define KEPT 2
#define MOST_SAMPLES 64 /* of a small case */
#define MOST_PAIRS 32
#define WIDE_INPUTS 44
#define CANDIDATES 4
#define PATHS 8
#define SQUARES_A_BIT 0.125f

typedef struct {
    uint32_t *cumulative;
    uint8_t *starts;
} table_set;

struct tables {
    int n_shapes;
    table_set *shapes;
    int32_t *network[7];
    int32_t shifts[3];
    uint32_t *planes;
    float *prices;
    uint32_t *trellis;
    int16_t *wide_weights[3];
    int32_t *wide[6]; /* logarithms, three biases, shifts, points */
    float *wide_prices;
    int64_t *counts; /* zeros between cases */
};

/* Bytes that are read; zeros behind their end. */
typedef struct {
    const uint8_t *data;
    int64_t size, pos;
} source;

static uint64_t take(source *in, int n_bytes) {
    uint64_t v = 0;
    for (int i = 0; i < n_bytes; i++, in->pos++)
        if (in->pos < in->size) v |= (uint64_t)in->data[in->pos] << (8 * i);
    return v;
}

static int64_t take_signed(source *in, int n_bytes) {
    uint64_t v = take(in, n_bytes), sign = (uint64_t)1 << (8 * n_bytes - 1);
    return (int64_t)((v ^ sign) - sign);
}

static double take_double(source *in) {
    uint64_t bits = take(in, 8);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static float take_float(source *in) {
    uint32_t bits = (uint32_t)take(in, 4);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Zeroed memory of exactly n * size bytes. The process ends where there is none. */
static void *room(int64_t n, int64_t size) {
    void *at = calloc((size_t)(n > 0 ? n : 1), (size_t)size);
    if (at == NULL) abort();
    return at;
}

#define TAKE_ARRAY(name, type, expression) \
    static type *name(source *in, int64_t n) { \
        type *out = room(n, (int64_t)sizeof *out); \
        for (int64_t i = 0; i < n && in->pos < in->size; i++) out[i] = (type)(expression); \
        return out; \
    }
TAKE_ARRAY(take_u8s, uint8_t, take(in, 1))
TAKE_ARRAY(take_u32s, uint32_t, take(in, 4))
TAKE_ARRAY(take_i16s, int16_t, take_signed(in, 2))
TAKE_ARRAY(take_i32s, int32_t, take_signed(in, 4))
TAKE_ARRAY(take_doubles, double, take_double(in))
TAKE_ARRAY(take_floats, float, take_float(in))

static const int64_t NETWORK_SIZES[7] = {4096, 16 * 21, 16, 16 * 16, 16, 16, 1};
static const int64_t WIDE_WEIGHTS[3] = {3 * 32 * WIDE_INPUTS, 3 * 32 * 32, 3 * 2 * 32};
static const int64_t WIDE_SIZES[6] = {4096, 3 * 32, 3 * 32, 3 * 2, 3 * 3, 2 * 6 * 3};

tables *read_tables(const uint8_t *data, int64_t size) {
    source in = {data, size, 0};
    tables *t = room(1, (int64_t)sizeof *t);
    t->n_shapes = (int)take(&in, 1);
    t->shapes = room(t->n_shapes, (int64_t)sizeof *t->shapes);
    for (int i = 0; i < t->n_shapes; i++) {
        t->shapes[i].cumulative = take_u32s(&in, TABLE_ROWS * COLUMNS);
        t->shapes[i].starts = take_u8s(&in, TABLE_ROWS * 64);
    }
    for (int i = 0; i < 7; i++) t->network[i] = take_i32s(&in, NETWORK_SIZES[i]);
    for (int i = 0; i < 3; i++) t->shifts[i] = (int32_t)take(&in, 1);
    t->planes = take_u32s(&in, PLANE_ROWS * PLANE_COLUMNS);
    t->prices = take_floats(&in, 2 * 48 + 2 * 48 + 20);
    t->trellis = take_u32s(&in, TRELLIS_ROWS * PLANE_COLUMNS);
    t->wide[0] = take_i32s(&in, WIDE_SIZES[0]);
    for (int i = 0; i < 3; i++) t->wide_weights[i] = take_i16s(&in, WIDE_WEIGHTS[i]);
    for (int i = 1; i < 6; i++) t->wide[i] = take_i32s(&in, WIDE_SIZES[i]);
    t->wide_prices = take_floats(&in, 3 * 3 * 2 * 48);
    t->counts = room(TABLE_ROWS * 128, 8);
    if (t->n_shapes > 0 && in.pos == size) return t;
    free_tables(t);
    return NULL;
}

void free_tables(tables *t) {
    for (int i = 0; i < t->n_shapes; i++) {
        free(t->shapes[i].cumulative);
        free(t->shapes[i].starts);
    }
    for (int i = 0; i < 7; i++) free(t->network[i]);
    free(t->shapes);
    free(t->planes);
    free(t->prices);
    free(t->trellis);
    for (int i = 0; i < 3; i++) free(t->wide_weights[i]);
    for (int i = 0; i < 6; i++) free(t->wide[i]);
    free(t->wide_prices);
    free(t->counts);
    free(t);
}

/* Add the low n_bytes of v to the hash (FNV-1a), and to what is kept. */
static void give(result *out, uint64_t v, int n_bytes, int keep) {
    for (int i = 0; i < n_bytes; i++) {
        uint8_t byte = (uint8_t)(v >> (8 * i));
        out->hash = (out->hash ^ byte) * UINT64_C(0x100000001b3);
        if (keep && out->n_kept < out->capacity) out->kept[out->n_kept] = byte;
        if (keep) out->n_kept++;
    }
}

static void give_double(result *out, double v, int keep) {
    uint64_t bits;
    if (v != v) v = 0.0; /* which NaN comes out is nobody's business */
    memcpy(&bits, &v, sizeof bits);
    give(out, bits, 8, keep);
}

static void give_doubles(result *out, const double *v, int64_t n, int keep) {
    for (int64_t i = 0; i < n; i++) give_double(out, v[i], keep);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* A tile of the detail layer and all buffers of both passes over it. */
typedef struct {
    rcz_pass pass;
    rcz_streams in;
    rcz_symbols out;
    int64_t size, n_raw;
    double *above, *own, *left, *right, *gain, *dither, *reals, *targets;
    uint32_t *words, *again;
    uint8_t *raw, *special;
    int64_t *integers, *radii;
    double *coefs;
} tile;

static void free_tile(tile *t) {
    free(t->radii);
    free(t->coefs);
    free(t->pass.earlier.values);
    free(t->pass.earlier.errors);
    void *all[] = {t->above, t->own, t->left, t->right, t->gain, t->dither, t->reals, t->targets, t->words, t->again,
                   t->raw, t->special, t->integers, t->pass.scratch, t->out.tables, t->out.symbols, t->out.raw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Taps in earlier planes, which end a case. */
static void take_earlier(source *in, tile *out) {
    rcz_earlier *e = &out->pass.earlier;
    int64_t n = 0, area = out->pass.height * out->pass.width;
    e->lags = (int64_t)take(in, 1) % 9;
    e->stride = (int64_t)take(in, 2);
    e->period = (int64_t)take(in, 2);
    e->blend = (int64_t)take(in, 1) % 65;
    e->radii = out->radii = room(e->lags, 8);
    for (int64_t j = 0; j < e->lags; j++) {
        int64_t side = 2 * (out->radii[j] = (int64_t)take(in, 1) % 5) + 1;
        n += side * side * (e->lags - j);
    }
    e->coefs = out->coefs = take_doubles(in, n);
    e->n_values = least(out->pass.planes, e->lags * e->stride + 1) * area;
    e->values = room(e->n_values, 8);
    e->n_errors = least(out->pass.planes, e->stride + 1) * out->pass.height * (out->pass.width + 4);
    e->errors = room(e->n_errors, 8);
}

static void take_tile(const tables *t, source *in, int small, int reals, tile *out) {
    memset(out, 0, sizeof *out);
    rcz_pass *pass = &out->pass;
    rcz_taps *taps = &pass->taps;
    int flags = (int)take(in, 1);
    const table_set *s = &t->shapes[take(in, 1) % (uint64_t)t->n_shapes];
    taps->radius = (int64_t)take(in, 1) % (small ? 9 : 25);
    taps->border = (int64_t)take(in, 1) % 9;
    taps->reach = (int64_t)take(in, 1) % 25;
    pass->planes = (int64_t)take(in, 2);
    pass->height = (int64_t)take(in, 2);
    pass->width = (int64_t)take(in, 2);
    pass->level = take_signed(in, 2);
    pass->clamp = take_signed(in, 2);
    pass->quantum = take_signed(in, 2);
    pass->mantissa = (int64_t)take(in, 1);
    pass->fill = take_double(in);
    int64_t n_words = (int64_t)take(in, 4), n_raw = (int64_t)take(in, 4), left = (in->size - in->pos) / 4;
    if (small) {
        pass->width = least(pass->width, MOST_SAMPLES);
        pass->height = least(pass->height, MOST_SAMPLES / (pass->width + 1) + 1);
        pass->planes = least(pass->planes, MOST_SAMPLES / (pass->width * pass->height + 1) + 1);
    }
    n_words = left > 0 ? least(n_words, left) : 0;
    n_raw = left > 0 ? least(n_raw, 4 * left) : 0;
    out->size = pass->planes * pass->height * pass->width;
    out->n_raw = n_raw;
    out->words = take_u32s(in, n_words);
    out->raw = room(n_raw + RCZ_RAW_SPARE, 1);
    for (int64_t i = 0; i < n_raw; i++) out->raw[i] = (uint8_t)take(in, 1);
    if (flags & 1) pass->special = out->special = take_u8s(in, out->size);
    if (flags & 2) out->gain = take_doubles(in, out->size);
    if (flags & 4) out->dither = take_doubles(in, out->size);
    if (!reals && (flags & 8)) out->targets = room(out->size, 8);
    int64_t r = taps->radius, b = taps->border, side = b * (2 * b + 1) * taps->reach;
    taps->own = out->own = take_doubles(in, (b > 0 ? 4 + 3 * b : 1) * r);
    taps->left = out->left = take_doubles(in, side);
    taps->right = out->right = take_doubles(in, side);
    taps->above = out->above = take_doubles(in, (b > 0 ? 2 + b : 1) * r * (2 * r + 1));
    if (flags & 16) take_earlier(in, out);
    int64_t bytes = CALL(pass_bytes)(r, pass->width);
    pass->scratch = room(bytes, 1);
    pass->scratch_bytes = bytes;
    out->in = (rcz_streams){s->cumulative, s->starts, TABLE_ROWS, out->words, n_words, out->raw,
                            n_raw + RCZ_RAW_SPARE, 8 * n_raw};
    out->again = room(out->size + 2, 4);
    out->out = (rcz_symbols){room(out->size, 2), room(out->size, 1), out->size, room(8 * out->size + RCZ_RAW_SPARE, 1),
                             8 * out->size + RCZ_RAW_SPARE, 0, 0};
    out->reals = reals ? room(out->size, 8) : NULL;
    out->integers = reals ? NULL : room(out->size, 8);
}

/* Whether coding the tile again gives its streams. */
static int same_streams(const tables *known, tile *t, result *out) {
    rcz_symbols *made = &t->out;
    int32_t status = t->reals ? CALL(encode_float)(&t->pass, t->reals, made)
                              : CALL(encode_int)(&t->pass, t->integers, t->targets, t->gain, t->dither, made);
    give(out, (uint64_t)status, 4, 0);
    if (status != RCZ_OK) return 0;
    int64_t n = CALL(ans_encode)(made->symbols, made->tables, made->n_symbols, t->in.cumulative, TABLE_ROWS, COLUMNS,
                                 t->again, t->size + 2);
    give(out, (uint64_t)CALL(count_symbols)(made->symbols, made->tables, made->n_symbols, known->counts, TABLE_ROWS, 128),
         4, 0);
    for (int64_t i = 0; i < made->n_symbols; i++) {
        int64_t *count = &known->counts[(int64_t)made->tables[i] * 128 + made->symbols[i]];
        give(out, (uint64_t)*count, 4, 0);
        *count = 0;
    }
    return n == t->in.n_words && memcmp(t->again, t->words, (size_t)(4 * n)) == 0 &&
           (made->n_bits + 7) / 8 == t->n_raw && memcmp(made->raw, t->raw, (size_t)t->n_raw) == 0;
}

/* What the encoder's fit makes of the first plane of floats. */
static void fit_tile(const tile *t, result *out) {
    int64_t r = t->pass.taps.radius, h = t->pass.height, w = t->pass.width, first = r * (2 * r + 1), z, mantissa;
    double *padded = room((h + r) * (w + 2 * r), 8), *coefs = room(first + r, 8), *row = room(w, 8);
    double *weight = room(h * w, 8), *error = room(h * w, 8), *found = room(h * w, 8);
    uint8_t *known = room(h * w, 1);
    memcpy(coefs, t->above, (size_t)(8 * first));
    memcpy(coefs + first, t->own, (size_t)(8 * r));
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            padded[(y + r) * (w + 2 * r) + x + r] = t->reals[y * w + x];
            known[y * w + x] = t->special == NULL || !t->special[y * w + x];
            weight[y * w + x] = 1.0 / (double)(1 + (x + y) % 7);
        }
    give_double(out, CALL(weighted_error)(padded, r, coefs, weight, h, w, row), 0);
    if (CALL(local_error)(padded, r, coefs, known, h, w, row, error, found) == RCZ_OK) give_doubles(out, found, h * w, 0);
    CALL(float_quantum)(t->reals, t->size, &z, &mantissa);
    give(out, (uint64_t)z, 8, 0);
    give(out, (uint64_t)mantissa, 8, 0);
    void *all[] = {padded, coefs, row, weight, error, found, known};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void run_detail(const tables *t, source *in, int small, int reals, result *out) {
    tile d;
    take_tile(t, in, small, reals, &d);
    int32_t status = reals ? CALL(decode_float)(&d.pass, &d.in, d.reals)
                           : CALL(decode_int)(&d.pass, &d.in, d.gain, d.dither, d.targets != NULL, d.integers);
    give(out, (uint64_t)status, 4, 1);
    if (status == RCZ_OK) {
        for (int64_t i = 0; i < d.size; i++) {
            if (reals)
                give_double(out, d.reals[i], 1);
            else
                give(out, (uint64_t)d.integers[i], 8, 1);
            if (d.targets != NULL) d.targets[i] = (double)d.integers[i];
        }
        out->differs |= !same_streams(t, &d, out);
        if (reals && d.pass.planes > 0) fit_tile(&d, out);
    }
    free_tile(&d);
}

static void run_rice(source *in, result *out) {
    int64_t n = (int64_t)take(in, 2) % 1201, n_bytes = in->size > in->pos ? in->size - in->pos : 0;
    uint8_t *code = take_u8s(in, n_bytes);
    int64_t *integers = room(n, 8);
    int32_t status = CALL(rice_read)(code, n_bytes, integers, n);
    give(out, (uint64_t)status, 4, 1);
    for (int64_t i = 0; i < n && status == RCZ_OK; i++) give(out, (uint64_t)integers[i], 8, 1);
    if (status == RCZ_OK) out->differs |= CALL(rice_bits)(integers, n) + 7 < 8 * n_bytes;
    free(code);
    free(integers);
}

/* Corrections of samples near a lattice: numbers of their integers, classes, and the code. */
static void run_corrections(source *in, int small, result *out) {
    int64_t n = (int64_t)take(in, 2), n_slots = (int64_t)take(in, 2), n_bytes;
    if (small) n = least(n, MOST_SAMPLES);
    int32_t *slots = room(n, 4), *found = room(n, 4);
    uint8_t *classes = take_u8s(in, n);
    for (int64_t i = 0; i < n; i++) slots[i] = (int32_t)take_signed(in, 2);
    n_bytes = in->size > in->pos ? in->size - in->pos : 0;
    int64_t bytes = CALL(corrections_bytes)(n_slots), capacity = 80 * n + 64;
    uint8_t *code = take_u8s(in, n_bytes), *again = room(capacity, 1), *scratch = room(bytes, 1);
    int32_t status = CALL(decode_corrections)(slots, classes, n, n_slots, code, n_bytes, found, scratch, bytes);
    give(out, (uint64_t)status, 4, 1);
    if (status == RCZ_OK) {
        for (int64_t i = 0; i < n; i++) give(out, (uint64_t)found[i], 4, 1);
        int64_t length = CALL(encode_corrections)(slots, classes, found, n, n_slots, again, capacity, scratch, bytes);
        give(out, (uint64_t)length, 8, 0);
        out->differs |= length != n_bytes || memcmp(code, again, (size_t)n_bytes) != 0;
    }
    void *all[] = {slots, found, classes, code, again, scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* A tile that is mostly one value: its shape, its values, and the code. */
static void run_counted(source *in, int small, result *out) {
    int64_t planes = (int64_t)take(in, 2), height = (int64_t)take(in, 2), width = (int64_t)take(in, 2);
    int64_t n_values = (int64_t)take(in, 2), usual = (int64_t)take(in, 2), same = (int64_t)take(in, 1) & 1;
    if (small) {
        width = least(width, MOST_SAMPLES);
        height = least(height, MOST_SAMPLES / (width + 1) + 1);
        planes = least(planes, 2);
    }
    int64_t n = planes * height * width, n_bytes = in->size > in->pos ? in->size - in->pos : 0;
    int64_t bytes = CALL(counted_bytes)(height, width), capacity = 80 * n + 64;
    uint8_t *code = take_u8s(in, n_bytes), *again = room(capacity, 1), *scratch = room(bytes, 1);
    uint16_t *found = room(n, 2);
    int32_t status = CALL(decode_counted)(code, n_bytes, planes, height, width, n_values, usual, (int32_t)same, found,
                                          scratch, bytes);
    give(out, (uint64_t)status, 4, 1);
    if (status == RCZ_OK) {
        for (int64_t i = 0; i < n; i++) give(out, found[i], 2, 1);
        int64_t length = CALL(encode_counted)(found, planes, height, width, n_values, usual, (int32_t)same, again,
                                              capacity, scratch, bytes);
        give(out, (uint64_t)length, 8, 0);
        out->differs |= length != n_bytes || memcmp(code, again, (size_t)n_bytes) != 0;
    }
    void *all[] = {found, code, again, scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Solve the taps of one border set, dy <= most[0], most[1] <= dx <= most[2]. */
static void run_set(const double *r, int64_t b, const int64_t most[3], result *out) {
    int64_t n = 0, dys[2 * 8 * 9], dxs[2 * 8 * 9];
    for (int64_t dy = b; dy >= 0; dy--)
        for (int64_t dx = -b; dx <= (dy > 0 ? b : -1); dx++)
            if (dy <= most[0] && dx >= most[1] && dx <= most[2]) {
                dys[n] = dy;
                dxs[n++] = dx;
            }
    double *square = room(n * n, 8), *found = room(n, 8), *lower = room(n * n, 8), *x = room(n, 8), *left = room(n, 8);
    int32_t status = CALL(best_coefficients)(r, b, dys, dxs, n, square, found);
    give(out, (uint64_t)status, 4, 1);
    if (status == RCZ_OK) {
        give_doubles(out, found, n, 1);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < i; j++) lower[i * n + j] = square[i * n + j];
            lower[i * n + i] = square[i * n + i];
            x[i] = 1024.0 * found[i];
        }
        give_double(out, CALL(round_to_plane)(x, lower, n, left, found), 0);
        give_doubles(out, found, n, 0);
        for (int64_t i = 0; i < n; i++) lower[i * n + i] += 2.0;
        give(out, (uint64_t)CALL(cholesky_solve)(lower, x, n), 4, 0);
        give_doubles(out, x, n, 0);
    }
    void *all[] = {square, found, lower, x, left};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* All sets of a covariance. */
static void run_sets(const double *r, int64_t b, result *out) {
    for (int64_t i = 0; i < 3 * (b + 1) && b > 0; i++) {
        int64_t k = i % (b + 1), kind = i / (b + 1);
        const int64_t most[3] = {kind == 0 ? k : b, kind == 1 ? -k : -b, kind == 2 ? k : b};
        run_set(r, b, most, out);
    }
}

static void run_borders(source *in, result *out) {
    int64_t radius = (int64_t)take(in, 1) % 25, b = (int64_t)take(in, 1) % 9, n = 2 * radius * (radius + 1);
    double *coefs = take_doubles(in, n), *wide = room((64 + radius) * (129 + 2 * radius), 8);
    double *response = room(64 * 129, 8), *r = room((b + 1) * (4 * b + 1), 8);
    int32_t status = CALL(impulse_response)(coefs, radius, wide, response);
    if (status == RCZ_OK) status = CALL(covariance)(response, b, r);
    give(out, (uint64_t)status, 4, 1);
    if (status == RCZ_OK) {
        give_doubles(out, r, (b + 1) * (4 * b + 1), 1);
        run_sets(r, b, out);
    }
    void *all[] = {coefs, wide, response, r};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* The same from any covariance: what goes before takes long, and its indices follow from the two sizes alone. */
static void run_covariance(source *in, result *out) {
    int64_t b = (int64_t)take(in, 2) % 4;
    double *r = take_doubles(in, (b + 1) * (4 * b + 1));
    run_sets(r, b, out);
    free(r);
}

/* A tile of a lapped or a trellis model while its planes are walked. */
typedef struct {
    int trellis;
    int64_t size; /* magnitudes */
    rcz_network net;
    rcz_plane plane;
    rcz_prices prices;
    int32_t *act, *before, *exists, *p, *q;
    int8_t *sign;
    uint8_t *counts;
    const uint32_t *table;
    int64_t rows;
    /* of a lapped model */
    int32_t *lower;
    float *ours, *theirs;
    /* of a trellis model */
    rcz_wide wide;
    rcz_search search;
    float *target;
    int32_t *values; /* of the last plane */
    int16_t *inputs;
} lapped;

/* Pairs of earlier phases in the boxes around each pair (9.6). */
static void count_known(int64_t n, int64_t m, uint8_t *counts) {
    static const int64_t boxes[3][2] = {{1, 1}, {2, 1}, {4, 2}};
    for (int64_t i = 0; i < 18 * n * m; i++) {
        int64_t j = i % m, k = i / m % n, box = i / m / n % 3, phase = i / m / n / 3 % 3, parity = i / m / n / 9, sum = 0;
        for (int64_t y = k - boxes[box][0]; y <= k + boxes[box][0]; y++)
            for (int64_t x = j - boxes[box][1]; x <= j + boxes[box][1]; x++) {
                if (y < 0 || x < 0 || y >= n || x >= m) continue;
                int64_t odd = (y + parity) & 1;
                sum += (odd != (x & 1) ? 2 : odd) < phase;
            }
        counts[i] = (uint8_t)sum;
    }
}

/* What a lapped model needs beyond what both do. */
static void begin_scalar(const tables *t, lapped *l) {
    l->table = t->planes;
    l->rows = PLANE_ROWS;
    l->net = (rcz_network){t->network[0], t->network[1], t->network[2], t->network[3], t->network[4],
                           t->network[5], t->network[6], t->shifts[0], t->shifts[1], t->shifts[2]};
    l->lower = room(l->size, 4);
    l->ours = room(l->size, 4);
    l->theirs = room(l->size, 4);
    l->prices = (rcz_prices){t->prices, t->prices + 96, t->prices + 192, l->lower, l->ours, l->theirs};
}

/* What a trellis model needs. */
static void begin_trellis(const tables *t, lapped *l) {
    l->table = t->trellis;
    l->rows = TRELLIS_ROWS;
    l->wide = (rcz_wide){t->wide[0], t->wide_weights[0], t->wide_weights[1], t->wide_weights[2], t->wide[1],
                         t->wide[2], t->wide[3], t->wide[4], t->wide[5]};
    l->target = room(l->size, 4);
    l->values = room(l->size, 4);
    l->inputs = room(l->size / 2 * WIDE_INPUTS, 2);
    l->search = (rcz_search){.zero = t->wide_prices, .one = t->wide_prices + 288, .refine = t->wide_prices + 576,
                             .target = l->target, .bits = room(l->size * CANDIDATES, 4), .weight = SQUARES_A_BIT,
                             .choice = room(l->size * PATHS, 1), .order = room(l->size, 8)};
}

static void begin_lapped(const tables *t, const int64_t shape[4], int trellis, lapped *l) {
    int64_t blocks = shape[0] * shape[1], n = shape[2], m = shape[3];
    memset(l, 0, sizeof *l);
    l->trellis = trellis;
    l->size = 2 * blocks * n * m;
    l->act = room(EDGE * EDGE, 4);
    l->before = room(EDGE * EDGE, 4);
    l->exists = room(CELLS * CELLS, 4);
    l->p = room(l->size, 4);
    l->q = room(l->size, 4);
    l->sign = room(l->size, 1);
    l->counts = room(18 * n * m, 1);
    count_known(n, m, l->counts);
    for (int64_t k = 0; k < n; k++)
        for (int64_t j = 0; j < m; j++) l->exists[CELLS * k / n * CELLS + CELLS * j / m] = 1;
    if (trellis)
        begin_trellis(t, l);
    else
        begin_scalar(t, l);
    int64_t bytes = trellis ? CALL(trellis_bytes)(blocks, n, m) : CALL(plane_bytes)(blocks, n, m);
    l->plane = (rcz_plane){.blocks = blocks, .columns = shape[1], .n = n, .m = m, .counts = l->counts, .p = l->p,
                           .q = l->q, .sign = l->sign, .act = l->act, .before = l->before, .exists = l->exists,
                           .scratch = room(bytes, 1), .scratch_bytes = bytes};
}

static void end_lapped(lapped *l) {
    void *all[] = {l->act, l->before, l->exists, l->p, l->q, l->lower, l->sign, l->counts, l->ours, l->theirs,
                   l->plane.scratch, l->target, l->values, l->inputs, l->search.bits, l->search.choice,
                   l->search.order};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static int32_t walk(lapped *l, int32_t mode, int64_t last, int64_t after, rcz_coder *coder) {
    l->plane.s = last - after;
    l->plane.final = after == 0;
    l->plane.shift = after;
    if (!l->trellis) return CALL(walk_plane)(mode, &l->plane, &l->net, coder, &l->prices);
    return CALL(trellis_plane)(mode, &l->plane, &l->wide, coder, &l->search, after == 0 ? l->values : NULL,
                               mode == RCZ_CODE ? l->inputs : NULL);
}

/* Which planes of a tile are read: those of each stage, and how many they are. */
typedef struct {
    int64_t last, count; /* of the whole tile */
    int64_t n_stages, done, planes[24];
} stages;

/* The words of a stage. */
static uint32_t *take_words(source *in, int64_t *n_words) {
    int64_t left;
    *n_words = (int64_t)take(in, 4);
    left = (in->size - in->pos) / 4;
    *n_words = left > 0 ? least(*n_words, left) : 0;
    return take_u32s(in, *n_words);
}

/* Read the first planes of a tile; their magnitudes and signs are left in q and sign. */
static int32_t read_planes(lapped *l, source *in, const stages *s, result *out) {
    int64_t done = 0;
    for (int64_t stage = 0; stage < s->n_stages; stage++) {
        int64_t n_words;
        uint32_t *words = take_words(in, &n_words);
        rcz_coder coder = {.cumulative = l->table, .rows = l->rows, .words = words, .n_words = n_words};
        for (int i = 0; i < 2 && coder.n_words > 0; i++) coder.state = coder.state << 32 | words[--coder.n_words];
        int32_t status = RCZ_OK;
        for (int64_t i = 0; i < s->planes[stage] && status == RCZ_OK; i++, done++) {
            memcpy(l->p, l->q, (size_t)(4 * l->size));
            memset(l->q, 0, (size_t)(4 * l->size));
            status = walk(l, RCZ_DECODE, s->last, s->count - 1 - done, &coder);
        }
        give(out, (uint64_t)status, 4, 1);
        give(out, coder.state, 8, 1);
        give(out, (uint64_t)coder.n_words, 8, 1);
        give(out, (uint64_t)coder.n, 8, 1);
        free(words);
        if (status != RCZ_OK) return status;
    }
    return RCZ_OK;
}

/* Magnitudes before a plane and in it, where `left` more follow. */
static void cut_planes(lapped *l, const int32_t *sizes, int64_t left) {
    for (int64_t i = 0; i < l->size; i++) {
        l->p[i] = sizes[i] >> left >> 1;
        l->q[i] = sizes[i] >> left;
    }
}

/* Whether the words of symbols are those of a stream, which lacks zeros at its end. */
static int same_words(const lapped *l, const rcz_coder *made, const uint32_t *was, int64_t n_was, result *out) {
    uint32_t *words = room(made->n + 2, 4);
    int64_t n = CALL(ans_encode)(made->symbols, made->tables, made->n, l->table, l->rows, PLANE_COLUMNS, words,
                                 made->n + 2);
    int same = n >= n_was;
    for (int64_t i = 0; i < n; i++) {
        give(out, words[i], 4, 0);
        same &= words[i] == (i < n_was ? was[i] : 0);
    }
    free(words);
    return same;
}

/* Code what was read, stage by stage; gives whether the streams are the same. `in` is where they start. */
static int code_planes(lapped *l, const lapped *was, source *in, const stages *s, result *out) {
    int64_t capacity = (l->size / 2 + CELLS * CELLS) * (s->done > 0 ? s->done : 1), done = 0;
    int same = 1;
    rcz_coder coder = {.cumulative = l->table, .rows = l->rows, .symbols = room(capacity, 1),
                       .tables = room(capacity, 2), .capacity = capacity};
    memcpy(l->sign, was->sign, (size_t)l->size);
    for (int64_t i = 0; i < CELLS * CELLS && l->trellis; i++)
        if (was->act[(i / CELLS + 1) * EDGE + i % CELLS + 1] != 0) l->exists[i] = KEPT;
    for (int64_t stage = 0; stage < s->n_stages; stage++) {
        int64_t n_words;
        uint32_t *words = take_words(in, &n_words);
        coder.n = 0;
        for (int64_t i = 0; i < s->planes[stage]; i++, done++) {
            cut_planes(l, was->q, s->done - 1 - done);
            give(out, (uint64_t)walk(l, RCZ_CODE, s->last, s->count - 1 - done, &coder), 4, 0);
        }
        for (int64_t i = 0; i < coder.n; i++) give(out, (uint64_t)coder.symbols[i] << 16 | coder.tables[i], 4, 0);
        same &= same_words(l, &coder, words, n_words, out);
        free(words);
    }
    for (int64_t i = 0; i < l->size && l->trellis; i++) same &= l->values[i] == was->values[i];
    for (int64_t i = 0; i < l->size / 2 * WIDE_INPUTS && l->trellis; i++) give(out, (uint64_t)l->inputs[i], 2, 0);
    free(coder.symbols);
    free(coder.tables);
    return same;
}

/* What other choices would cost. */
static void price_planes(lapped *l, const lapped *was, const stages *s, result *out) {
    rcz_coder none = {.cumulative = l->table};
    memset(l->act, 0, 4 * EDGE * EDGE);
    for (int64_t left = s->done - 1; left >= 0; left--) {
        cut_planes(l, was->q, left);
        for (int64_t i = 0; i < l->size; i++) l->lower[i] = was->q[i] > 0 ? was->q[i] - 1 : 0;
        give(out, (uint64_t)walk(l, RCZ_COST, s->last - (s->count - s->done), left, &none), 4, 0);
    }
    for (int64_t i = 0; i < l->size; i++) give_double(out, (double)l->ours[i] - (double)l->theirs[i], 0);
}

/* The path through the trellis for targets near what was read, and less than half a step where that is 0. */
static void search_planes(lapped *l, const lapped *was, const stages *s, result *out) {
    int64_t most = 0, count = 0;
    int32_t *sizes = room(l->size, 4);
    rcz_coder none = {.cumulative = l->table};
    for (int64_t i = 0; i < l->size; i++) {
        int64_t value = s->done == s->count ? was->values[i] : 64 * (int64_t)was->q[i];
        l->target[i] = (float)(was->q[i] == 0 ? 29 * i % 32 : value) / 64.0f;
        sizes[i] = (int32_t)(l->target[i] + 0.5f);
        if (sizes[i] > most) most = sizes[i];
    }
    while (most >> count > 0) count++;
    memset(l->act, 0, 4 * EDGE * EDGE);
    for (int64_t left = count - 1; left >= 0; left--) {
        cut_planes(l, sizes, left);
        give(out, (uint64_t)walk(l, RCZ_COST, s->last - (s->count - s->done), left, &none), 4, 0);
    }
    give_double(out, l->search.spent, 0);
    for (int64_t i = 0; i < l->size && count > 0; i++) give(out, (uint64_t)l->q[i], 4, 0);
    free(sizes);
}

static void run_lapped(const tables *t, source *in, int small, int trellis, result *out) {
    int64_t shape[4];
    stages s = {.done = 0};
    for (int i = 0; i < 4; i++) shape[i] = 1 + (int64_t)take(in, 1);
    s.last = take_signed(in, 1);
    s.count = (int64_t)take(in, 1) % (small ? 6 : 25);
    s.n_stages = (int64_t)take(in, 1) % 25;
    for (int64_t i = 0; i < s.n_stages; i++) {
        s.planes[i] = least((int64_t)take(in, 1), s.count - s.done);
        s.done += s.planes[i];
    }
    if (small) {
        for (int i = 0; i < 2; i++) shape[i] = 1 + (shape[i] - 1) % 3;
        for (int i = 2; i < 4; i++) shape[i] = least(shape[i], 2 * CELLS);
        while (shape[0] * shape[1] * shape[2] * shape[3] > MOST_PAIRS)
            for (int i = 0; i < 4; i++) shape[i] = (shape[i] + 1) / 2;
    }
    lapped l, again;
    source streams = *in;
    begin_lapped(t, shape, trellis, &l);
    if (read_planes(&l, in, &s, out) == RCZ_OK) {
        for (int64_t i = 0; i < l.size; i++) {
            give(out, (uint64_t)l.q[i], 4, 1);
            give(out, (uint64_t)l.sign[i], 1, 1);
            if (trellis) give(out, (uint64_t)l.values[i], 4, 1);
        }
        begin_lapped(t, shape, trellis, &again);
        out->differs |= !code_planes(&again, &l, &streams, &s, out);
        if (trellis)
            search_planes(&again, &l, &s, out);
        else
            price_planes(&again, &l, &s, out);
        end_lapped(&again);
    }
    end_lapped(&l);
}

void run_case(const tables *t, const uint8_t *data, int64_t size, int small, result *out) {
    source in = {data, size, 0};
    int64_t kind = (int64_t)take(&in, 1) % 8;
    if (kind < 2)
        run_detail(t, &in, small, kind == 0, out);
    else if (kind == 2)
        run_rice(&in, out);
    else if (kind == 3 && small)
        run_covariance(&in, out);
    else if (kind == 3)
        run_borders(&in, out);
    else if (kind == 4 || kind == 7)
        run_lapped(t, &in, small, kind == 7, out);
    else if (kind == 5)
        run_corrections(&in, small, out);
    else
        run_counted(&in, small, out);
}
