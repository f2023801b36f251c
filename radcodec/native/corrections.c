/* Corrections of samples near a lattice (docs/format.md, 8.9): small integers, coded with mixed counters.
 *
 * What a pipeline makes of an integer is mostly the same each time: the last correction of the same integer is a context.
 */
#include "mixing.h"

#define NODES 96
#define CLASSES 256
#define LASTS 18
#define RUNS 8
#define BEFORES 40
#define SAME 0
#define BUCKET 1
#define SIGN 36
#define MANTISSA 40
#define SIGNED_BUCKETS 3
#define MODELLED_BUCKETS 17
#define NONE INT32_MIN
#define INPUTS 3
#define RATE 4
#define LIMIT 255

typedef struct {
    int32_t last;
    int32_t run;
} memory;

typedef struct {
    rcz_mixer mixer;
    uint32_t *by_class, *by_last, *by_before; /* [contexts][NODES] */
    int32_t *weights;                         /* [NODES][RUNS][INPUTS] */
    memory *slots;
    uint32_t *row[INPUTS];
    int32_t *weight;
} model;

int64_t RCZ(corrections_bytes)(int64_t n_slots) {
    if (n_slots < 0 || n_slots > INT32_MAX) return -1;
    int64_t counters = (CLASSES + LASTS * RUNS + BEFORES) * NODES;
    return MIX_TABLE_BYTES + 4 * counters + 4 * NODES * RUNS * INPUTS + (int64_t)sizeof(memory) * n_slots + 6 * 64;
}

static void begin(model *m, int64_t n_slots, unsigned char *scratch) {
    mix_begin(&m->mixer, &scratch);
    uint32_t **tables[INPUTS] = {&m->by_class, &m->by_last, &m->by_before};
    const int64_t sizes[INPUTS] = {CLASSES, LASTS * RUNS, BEFORES};
    for (int i = 0; i < INPUTS; i++) {
        *tables[i] = carve(&scratch, 4 * sizes[i] * NODES);
        for (int64_t j = 0; j < sizes[i] * NODES; j++) (*tables[i])[j] = COUNTER_START;
    }
    m->weights = carve(&scratch, 4 * NODES * RUNS * INPUTS);
    for (int i = 0; i < NODES * RUNS * INPUTS; i++) m->weights[i] = (1 << 16) * 2 / 5;
    m->slots = carve(&scratch, (int64_t)sizeof(memory) * n_slots);
    for (int64_t i = 0; i < n_slots; i++) m->slots[i] = (memory){NONE, 0};
}

static int code(model *m, int node, int bit) {
    uint32_t *counters[INPUTS];
    for (int i = 0; i < INPUTS; i++) counters[i] = m->row[i] + node;
    return mix_bit(&m->mixer, bit, counters, INPUTS, m->weight + node * (RUNS * INPUTS), RATE, LIMIT);
}

/* Code a number that is not that of its slot before, or give the one that is read. */
static int32_t code_number(model *m, int32_t value) {
    uint32_t size = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    int length = 0, bucket = 0;
    while (length < 31 && size >> length != 0) length++;
    while (bucket < 31 && code(m, BUCKET + bucket, length > bucket)) bucket++;
    if (bucket == 0) return 0;
    int negative = code(m, SIGN + (int)min_i(bucket, SIGNED_BUCKETS), value < 0);
    uint32_t read = 1;
    for (int i = bucket - 2; i >= 0; i--) {
        int bit = (int)(size >> i & 1), depth = bucket - 2 - i;
        if (depth < 2 && bucket <= MODELLED_BUCKETS)
            bit = code(m, MANTISSA + 3 * (bucket - 2) + (depth == 0 ? 0 : 1 + (int)(read & 1)), bit);
        else
            bit = mix_code(&m->mixer, bit, 1 << 15);
        read = read << 1 | (uint32_t)bit;
    }
    return negative ? -(int32_t)read : (int32_t)read;
}

static int32_t walk(model *m, const int32_t *slots, const uint8_t *classes, int64_t n, int64_t n_slots, int32_t *values) {
    int32_t before = 0;
    for (int64_t i = 0; i < n; i++) {
        if (slots[i] < 0) {
            if (m->mixer.in != NULL) values[i] = 0;
            continue;
        }
        if (slots[i] >= n_slots) return RCZ_BAD_ARGUMENT;
        memory *slot = m->slots + slots[i];
        int64_t last = slot->last == NONE ? LASTS - 1 : clamp_i(slot->last, -8, 8) + 8;
        m->row[0] = m->by_class + classes[i] * NODES;
        m->row[1] = m->by_last + (last * RUNS + slot->run) * NODES;
        m->row[2] = m->by_before + (clamp_i(before, -2, 2) + 2) * 8 * NODES + (classes[i] & 7) * NODES;
        m->weight = m->weights + slot->run * INPUTS;
        int known = slot->last != NONE;
        if (known && code(m, SAME, values[i] == slot->last)) {
            values[i] = slot->last;
            slot->run += slot->run < RUNS - 1;
        } else {
            values[i] = code_number(m, values[i]);
            slot->last = values[i];
            slot->run = 0;
        }
        before = values[i];
    }
    return RCZ_OK;
}

int64_t RCZ(encode_corrections)(const int32_t *slots, const uint8_t *classes, int32_t *values, int64_t n, int64_t n_slots,
                                uint8_t *out, int64_t capacity, void *scratch, int64_t scratch_bytes) {
    model m;
    int64_t needed = RCZ(corrections_bytes)(n_slots);
    if (n < 0 || needed < 0 || scratch_bytes < needed) return -RCZ_BAD_ARGUMENT;
    for (int64_t i = 0; i < n; i++)
        if (values[i] == INT32_MIN) return -RCZ_UNFIT;
    begin(&m, n_slots, scratch);
    m.mixer.in = NULL;
    m.mixer.out = out;
    m.mixer.size = capacity;
    int32_t status = walk(&m, slots, classes, n, n_slots, values);
    return status != RCZ_OK ? -status : mix_end(&m.mixer);
}

int32_t RCZ(decode_corrections)(const int32_t *slots, const uint8_t *classes, int64_t n, int64_t n_slots,
                                const uint8_t *code, int64_t n_bytes, int32_t *values, void *scratch,
                                int64_t scratch_bytes) {
    model m;
    static const uint8_t nothing = 0;
    int64_t needed = RCZ(corrections_bytes)(n_slots);
    if (n < 0 || n_bytes < 0 || needed < 0 || scratch_bytes < needed) return RCZ_BAD_ARGUMENT;
    begin(&m, n_slots, scratch);
    m.mixer.in = n_bytes > 0 ? code : &nothing;
    m.mixer.out = NULL;
    m.mixer.size = n_bytes;
    mix_open(&m.mixer);
    for (int64_t i = 0; i < n; i++) values[i] = 0;
    int32_t status = walk(&m, slots, classes, n, n_slots, values);
    return status != RCZ_OK ? status : mix_is_whole(&m.mixer) ? RCZ_OK : RCZ_BAD_STREAM;
}
