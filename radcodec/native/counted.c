/* Images that are mostly one value (docs/format.md, 8.10): is a pixel it, and if not, what is it: mixed decisions.
 *
 * Pixels are numbers of values in ascending order. A pixel has a margin of the usual number around its plane.
 */
#include "mixing.h"

#define ABOVE 6 /* rows and columns that are looked at */
#define ASIDE 8
#define USUAL_INPUTS 6
#define VALUE_INPUTS 5
#define SAME_INPUTS 3
#define VALUE_NODES 64
#define SETS 8
#define USUAL_WEIGHT 13107 /* in 65536ths */
#define VALUE_WEIGHT 13107
#define SAME_WEIGHT 26214
#define RATE 6
#define LIMIT 255

enum { PATTERNS = 4096, SIZES = 1296, SURROUNDINGS = 128, RUNS = 64, LINES = 256 };
static const int64_t VALUE_CONTEXTS[VALUE_INPUTS] = {24 * 16, 16 * 16, 12 * 9, 72, 1};
#define ALL_VALUE_CONTEXTS (24 * 16 + 16 * 16 + 12 * 9 + 72 + 1)
#define BIASES 96

typedef struct {
    rcz_mixer mixer;
    uint32_t *patterns, *sizes, *surroundings, *runs, *lines, *plain;
    uint32_t *values[VALUE_INPUTS];
    int32_t *bias; /* [24][2][2]: sum and count of errors */
    int32_t *wrong; /* errors, like the area */
    uint32_t *same[SAME_INPUTS];
    int32_t *usual_weights, *value_weights, *same_weights;
    uint16_t *area; /* [ABOVE + height][width + 2 ASIDE] of a plane */
    int32_t *column; /* unusual pixels in the rows above [width + 2 ASIDE] */
    int64_t usual, n_values, stride, highest;
    uint32_t past;
    int64_t run;
} counted;

static int64_t area_bytes(int64_t height, int64_t width) { return 2 * (ABOVE + height) * (width + 2 * ASIDE); }

int64_t RCZ(counted_bytes)(int64_t height, int64_t width) {
    if (height < 0 || width < 0 || height > INT32_MAX || width > INT32_MAX || height * width > INT32_MAX) return -1;
    int64_t counters = PATTERNS + SIZES + SURROUNDINGS + RUNS + LINES + 1 +
                       VALUE_NODES * ALL_VALUE_CONTEXTS + 3 * 4 * 256 + BIASES;
    int64_t weights = SETS * USUAL_INPUTS + VALUE_NODES * VALUE_INPUTS + 4 * SAME_INPUTS;
    return MIX_TABLE_BYTES + 4 * (counters + weights) + 3 * area_bytes(height, width) + 4 * (width + 2 * ASIDE) + 24 * 64;
}

static uint32_t *counters(unsigned char **scratch, int64_t n) {
    uint32_t *out = carve(scratch, 4 * n);
    for (int64_t i = 0; i < n; i++) out[i] = COUNTER_START;
    return out;
}

static int32_t *weights(unsigned char **scratch, int64_t n, int32_t start) {
    int32_t *out = carve(scratch, 4 * n);
    for (int64_t i = 0; i < n; i++) out[i] = start;
    return out;
}

static void begin(counted *m, int64_t height, int64_t width, unsigned char *scratch) {
    mix_begin(&m->mixer, &scratch);
    m->patterns = counters(&scratch, PATTERNS);
    m->sizes = counters(&scratch, SIZES);
    m->surroundings = counters(&scratch, SURROUNDINGS);
    m->runs = counters(&scratch, RUNS);
    m->lines = counters(&scratch, LINES);
    m->plain = counters(&scratch, 1);
    for (int i = 0; i < VALUE_INPUTS; i++) m->values[i] = counters(&scratch, VALUE_CONTEXTS[i] * VALUE_NODES);
    for (int i = 0; i < SAME_INPUTS; i++) m->same[i] = counters(&scratch, 4 * 256);
    m->usual_weights = weights(&scratch, SETS * USUAL_INPUTS, USUAL_WEIGHT);
    m->value_weights = weights(&scratch, VALUE_NODES * VALUE_INPUTS, VALUE_WEIGHT);
    m->same_weights = weights(&scratch, 4 * SAME_INPUTS, SAME_WEIGHT);
    m->stride = width + 2 * ASIDE;
    m->area = carve(&scratch, area_bytes(height, width));
    m->column = carve(&scratch, 4 * m->stride);
    m->wrong = carve(&scratch, 2 * area_bytes(height, width));
    m->bias = weights(&scratch, BIASES, 0);
    m->past = 0;
    m->run = 0;
    m->highest = 0;
}

/* Bits of a number. */
static int64_t length_of(int64_t v) {
    int64_t n = 0;
    while (v >> n != 0) n++;
    return n;
}

/* Half octaves of a number that is not negative. */
static int64_t halves_of(int64_t v) {
    int64_t n = length_of(v);
    return n < 2 ? n : 2 * n - 2 + (v >> (n - 2) & 1);
}

/* How far a number is from the usual one, in bits. */
static int64_t size_of(const counted *m, int64_t v) { return length_of(v < m->usual ? m->usual - v : v - m->usual); }

static int decide_usual(counted *m, const uint16_t *at, int64_t around, int bit) {
    int64_t s = m->stride, u = m->usual;
#define IS(dy, dx) (at[-(dy) * s + (dx)] != u)
    int64_t pattern = IS(0, -1) | IS(0, -2) << 1 | IS(1, 0) << 2 | IS(2, 0) << 3 | IS(1, -1) << 4 | IS(1, 1) << 5 |
                      IS(1, -2) << 6 | IS(1, 2) << 7 | IS(2, -1) << 8 | IS(2, 1) << 9 | IS(0, -3) << 10 | IS(1, 3) << 11;
    int64_t line = IS(0, -1) | IS(1, 0) << 1 | IS(2, 0) << 2 | IS(3, 0) << 3 | IS(4, 0) << 4 | IS(5, 0) << 5 |
                   IS(6, 0) << 6 | IS(1, 1) << 7;
#undef IS
    int64_t sizes = 0;
    const int64_t places[4] = {-1, -s, -s - 1, -s + 1};
    for (int i = 0; i < 4; i++) sizes = 6 * sizes + min_i(size_of(m, at[places[i]]), 5);
    int64_t level = min_i(length_of(around), 7);
    uint32_t *used[USUAL_INPUTS] = {
        m->patterns + pattern, m->sizes + sizes, m->surroundings + (level << 4 | (pattern & 7) | (pattern >> 5 & 1) << 3),
        m->runs + (min_i(length_of(m->run), 15) << 2 | (pattern >> 2 & 1) | (pattern >> 5 & 1) << 1), m->lines + line, m->plain};
    return mix_bit(&m->mixer, bit, used, USUAL_INPUTS, m->usual_weights + level * USUAL_INPUTS, RATE, LIMIT);
}

/* What a pixel's number is expected to be, and the contexts of its error: numbers of counters. */
typedef struct {
    int64_t number, context[VALUE_INPUTS];
    int32_t *bias;
} expected;

static int64_t size(int64_t v) { return v < 0 ? -v : v; }

static int64_t sign_of(int64_t v) { return (v > 0) - (v < 0); }

static expected look(const counted *m, const uint16_t *at, const int32_t *wrong, int64_t around) {
    int64_t s = m->stride, u = m->usual, top = m->n_values - 1;
    int64_t w = at[-1], ww = at[-2], n = at[-s], nn = at[-2 * s], nw = at[-s - 1], ne = at[-s + 1], nne = at[-2 * s + 1];
    int64_t mean = floor_div(12 * w - 3 * ww + 7 * n - 2 * nn - 3 * nw + 8 * ne - 3 * nne + 8, 16);
    int64_t planar = clamp_i(w + ne - n, 0, top), gradient = clamp_i(w + n - nw, 0, top);
    int64_t known = (w != u) | (n != u) << 1 | (ne != u) << 2 | (nw != u) << 3;
    expected out;
    out.number = clamp_i(mean, 0, top);
    int64_t level = min_i(halves_of(size(out.number - u)), 23);
    out.bias = m->bias + 2 * (level * 2 + (known == 15));
    if (out.bias[1] > 2)
        out.number = clamp_i(out.number + floor_div(2 * (int64_t)out.bias[0] + out.bias[1], 2 * (int64_t)out.bias[1]), 0, top);
    int64_t slope = min_i(halves_of(size(w - nw) + size(n - nw) + size(ne - n)), 15);
    int64_t errors = min_i(halves_of(size(wrong[-1]) * 2 + size(wrong[-s]) + size(wrong[-s + 1])), 15);
    int64_t turn = planar - out.number, other = gradient - out.number;
    out.context[0] = level * 16 + known;
    out.context[1] = slope * 16 + errors;
    out.context[2] = (min_i(halves_of(size(turn)), 11) * 3 + sign_of(turn) + 1) * 3 + sign_of(other) + 1;
    out.context[3] = (sign_of(wrong[-1]) + 1) * 3 + sign_of(wrong[-s]) + 1 + 9 * min_i(length_of(around), 7);
    out.context[4] = 0;
    return out;
}

static int decide_value(counted *m, const expected *near, int node, int bit) {
    uint32_t *used[VALUE_INPUTS];
    for (int i = 0; i < VALUE_INPUTS; i++) used[i] = m->values[i] + near->context[i] * VALUE_NODES + node;
    return mix_bit(&m->mixer, bit, used, VALUE_INPUTS, m->value_weights + node * VALUE_INPUTS, RATE, LIMIT);
}

/* Code a number that is not the usual one as its difference from the expected one. -1 for one out of range. */
static int64_t code_value(counted *m, const uint16_t *at, int32_t *wrong, int64_t around, int64_t value) {
    if (m->n_values == 2) return 1 - m->usual;
    expected near = look(m, at, wrong, around);
    int64_t error = value - near.number, far = size(error), bits = length_of(far), n = 0, read = 1;
    while (n < 15 && decide_value(m, &near, (int)n, bits > n)) n++;
    if (n == 0) {
        error = 0;
    } else {
        int negative = decide_value(m, &near, 16 + (int)min_i(n, 3), error < 0);
        for (int64_t i = n - 2; i >= 0; i--) {
            int bit = (int)(far >> i & 1), depth = (int)(n - 2 - i);
            if (depth < 2)
                bit = decide_value(m, &near, (depth == 0 ? 20 : 36) + (int)n, bit);
            else
                bit = mix_code(&m->mixer, bit, 1 << 15);
            read = read << 1 | bit;
        }
        error = negative ? -read : read;
    }
    value = near.number + error;
    if (value < 0 || value >= m->n_values) return -1;
    near.bias[0] += (int32_t)error;
    near.bias[1] += 1;
    if (near.bias[1] >= 64) {
        near.bias[0] = (int32_t)floor_div(near.bias[0], 2);
        near.bias[1] = 32;
    }
    *wrong = (int32_t)error;
    return value;
}

/* Whether a number that is not the usual one is that of a neighbour, or one more than any before; -1 where it is none. */
static int64_t code_same(counted *m, const uint16_t *at, int64_t value) {
    int64_t s = m->stride, u = m->usual;
    const int64_t given[4] = {at[-1], at[-s], at[-s + 1], m->highest + 1 < m->n_values ? m->highest + 1 : u};
    int64_t pattern = (at[-1] != u) | (at[-s] != u) << 1 | (at[-s + 1] != u) << 2 | (at[-s - 1] != u) << 3;
    int64_t alike = (at[-1] == at[-s - 1]) | (at[-s] == at[-s - 1]) << 1 | (at[-s] == at[-s + 1]) << 2 | (at[-1] == at[-s]) << 3;
    for (int i = 0; i < 4; i++) {
        int known = given[i] == u;
        for (int j = 0; j < i; j++) known |= given[j] == given[i];
        if (known) continue;
        uint32_t *used[SAME_INPUTS] = {m->same[0] + i * 256 + pattern, m->same[1] + i * 256 + alike,
                                       m->same[2] + i * 256 + (m->past & 15)};
        int bit = mix_bit(&m->mixer, value == given[i], used, SAME_INPUTS, m->same_weights + i * SAME_INPUTS, RATE, LIMIT);
        m->past = m->past << 1 | (uint32_t)bit;
        if (bit) return given[i];
    }
    return -1;
}

static int32_t code_plane(counted *m, uint16_t *samples, int64_t height, int64_t width, int same) {
    int64_t s = m->stride;
    for (int64_t i = 0; i < (ABOVE + height) * s; i++) {
        m->area[i] = (uint16_t)m->usual;
        m->wrong[i] = 0;
    }
    for (int64_t i = 0; i < s; i++) m->column[i] = 0;
    for (int64_t y = 0; y < height; y++) {
        uint16_t *row = m->area + (ABOVE + y) * s + ASIDE;
        int64_t around = 0, left = 0;
        for (int64_t dx = -ASIDE; dx < ASIDE; dx++) around += m->column[ASIDE + dx];
        for (int64_t x = 0; x < width; x++) {
            around += m->column[x + 2 * ASIDE];
            int64_t value = samples[y * width + x];
            if (decide_usual(m, row + x, around + left, value != m->usual)) {
                int64_t found = same ? code_same(m, row + x, value) : -1;
                value = found >= 0 ? found : code_value(m, row + x, m->wrong + (row - m->area) + x, around + left, value);
                if (value < 0) return RCZ_BAD_STREAM;
                m->highest = max_i(m->highest, value);
                m->run = 0;
            } else {
                value = m->usual;
                m->run++;
            }
            row[x] = (uint16_t)value;
            samples[y * width + x] = (uint16_t)value;
            around -= m->column[x];
            left += (value != m->usual) - (row[x - ASIDE] != m->usual);
        }
        for (int64_t x = 0; x < width; x++)
            m->column[x + ASIDE] += (row[x] != m->usual) - (row[x - ABOVE * s] != m->usual);
    }
    return RCZ_OK;
}

static int32_t start(counted *m, int64_t height, int64_t width, int64_t n_values, int64_t usual, void *scratch,
                     int64_t scratch_bytes) {
    int64_t needed = RCZ(counted_bytes)(height, width);
    if (needed < 0 || scratch_bytes < needed || n_values < 1 || n_values > 1 << 14 || usual < 0 || usual >= n_values)
        return RCZ_BAD_ARGUMENT;
    begin(m, height, width, scratch);
    m->usual = usual;
    m->n_values = n_values;
    return RCZ_OK;
}

int64_t RCZ(encode_counted)(uint16_t *samples, int64_t planes, int64_t height, int64_t width, int64_t n_values,
                            int64_t usual, int32_t same, uint8_t *out, int64_t capacity, void *scratch,
                            int64_t scratch_bytes) {
    counted m;
    int32_t status = start(&m, height, width, n_values, usual, scratch, scratch_bytes);
    if (status != RCZ_OK) return -status;
    for (int64_t i = 0; i < planes * height * width; i++)
        if (samples[i] >= n_values) return -RCZ_BAD_ARGUMENT;
    m.mixer.in = NULL;
    m.mixer.out = out;
    m.mixer.size = capacity;
    for (int64_t p = 0; p < planes && m.mixer.pos <= capacity; p++)
        code_plane(&m, samples + p * height * width, height, width, same);
    return mix_end(&m.mixer);
}

int32_t RCZ(decode_counted)(const uint8_t *code, int64_t n_bytes, int64_t planes, int64_t height, int64_t width,
                            int64_t n_values, int64_t usual, int32_t same, uint16_t *samples, void *scratch,
                            int64_t scratch_bytes) {
    counted m;
    static const uint8_t nothing = 0;
    int32_t status = start(&m, height, width, n_values, usual, scratch, scratch_bytes);
    if (status != RCZ_OK || n_bytes < 0) return RCZ_BAD_ARGUMENT;
    m.mixer.in = n_bytes > 0 ? code : &nothing;
    m.mixer.out = NULL;
    m.mixer.size = n_bytes;
    mix_open(&m.mixer);
    for (int64_t i = 0; i < planes * height * width; i++) samples[i] = 0;
    for (int64_t p = 0; p < planes && status == RCZ_OK; p++)
        status = code_plane(&m, samples + p * height * width, height, width, same);
    return status != RCZ_OK ? status : mix_is_whole(&m.mixer) ? RCZ_OK : RCZ_BAD_STREAM;
}
