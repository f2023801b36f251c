/* Binary decisions coded with mixed adaptive probabilities (docs/format.md, 8.8): integers alone.
 *
 * Logistic mixing of counters after Mahoney's PAQ (2005) and lpaq (2007), and its carryless range coder.
 */
#ifndef RCZ_MIXING_H
#define RCZ_MIXING_H

#include "common.h"

#define MIX_INPUTS 8
#define MIX_SPARE 4 /* bytes that ending a stream may take */

/* squash at -3072, -2944, ..., 3072: 65536 / (1 + exp(-x / 256)), from 1 to 65535. */
static const int32_t SQUASH[49] = {
    1, 1, 1, 2, 3, 5, 8, 13, 22, 36, 60, 98, 162,
    267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793,
    47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476,
    65500, 65514, 65523, 65528, 65531, 65533, 65534, 65535, 65535, 65535,
};

typedef struct {
    uint32_t low, high, code;
    uint8_t *out;      /* written when coding */
    const uint8_t *in; /* read when decoding, else NULL */
    int64_t pos, size; /* of out: its capacity */
    int16_t *stretch;  /* [4096] */
    int32_t *rate;     /* [256] */
} rcz_mixer;

#define MIX_TABLE_BYTES (4096 * 2 + 256 * 4)

/* 65536 / (1 + exp(-x / 256)), piecewise linear, for x within +-3071. */
static inline int32_t squash(int32_t x) {
    x = (int32_t)clamp_i(x, -3071, 3071);
    int32_t i = (x + 3072) >> 7, f = (x + 3072) & 127;
    return (SQUASH[i] * (128 - f) + SQUASH[i + 1] * f + 64) >> 7;
}

/* Tables of a call; counters are p << 10 | n with p of 22 bits. */
static inline void mix_begin(rcz_mixer *m, unsigned char **scratch) {
    m->stretch = carve(scratch, 4096 * 2);
    m->rate = carve(scratch, 256 * 4);
    int32_t next = 0;
    for (int32_t x = -3071; x <= 3071; x++) {
        int32_t p = squash(x) >> 4;
        while (next <= p) m->stretch[next++] = (int16_t)x;
    }
    while (next < 4096) m->stretch[next++] = 3071;
    for (int32_t n = 0; n < 256; n++) m->rate[n] = (1 << 17) / (2 * n + 3);
    m->low = 0;
    m->high = UINT32_MAX;
    m->code = 0;
    m->pos = 0;
}

static inline uint32_t mix_next(rcz_mixer *m) {
    int64_t at = m->pos++;
    return at < m->size ? m->in[at] : 0;
}

static inline void mix_open(rcz_mixer *m) {
    for (int i = 0; i < 4; i++) m->code = m->code << 8 | mix_next(m);
}

/* Code a bit, or give the one that is read, p16 being the probability of 1 in 65536ths. */
static inline int mix_code(rcz_mixer *m, int bit, int32_t p16) {
    uint32_t middle = m->low + (uint32_t)(((uint64_t)(m->high - m->low) * (uint32_t)p16) >> 16);
    if (m->in != NULL) bit = m->code <= middle;
    if (bit)
        m->high = middle;
    else
        m->low = middle + 1;
    while (((m->low ^ m->high) & UINT32_C(0xff000000)) == 0) {
        if (m->in != NULL)
            m->code = m->code << 8 | mix_next(m);
        else if (m->pos < m->size)
            m->out[m->pos++] = (uint8_t)(m->high >> 24);
        else
            m->pos = m->size + 1;
        m->low <<= 8;
        m->high = m->high << 8 | 255;
    }
    return bit;
}

/* End a stream with the fewest bytes; zeros follow it. Gives its length, negative: a status. */
static inline int64_t mix_end(rcz_mixer *m) {
    if (m->pos + MIX_SPARE > m->size) return -RCZ_NO_SPACE;
    for (int n = 0; n <= 4; n++) {
        uint32_t kept = n == 0 ? 0 : m->high & (UINT32_MAX << (32 - 8 * n));
        if (n == 4 || kept >= m->low) {
            for (int i = 0; i < n; i++) m->out[m->pos++] = (uint8_t)(kept >> (24 - 8 * i));
            break;
        }
    }
    while (m->pos > 0 && m->out[m->pos - 1] == 0) m->pos--;
    return m->pos;
}

/* Whether a stream that was read has no byte that was not needed. */
static inline int mix_is_whole(const rcz_mixer *m) {
    return m->size <= m->pos && (m->size == 0 || m->in[m->size - 1] != 0);
}

/* Code a bit with n counters mixed by weights [n], both of which learn. rate is the mixer's, limit the counters'. */
static inline int mix_bit(rcz_mixer *m, int bit, uint32_t *const *counters, int n, int32_t *weights, int32_t rate,
                          uint32_t limit) {
    int32_t in[MIX_INPUTS];
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        in[i] = m->stretch[*counters[i] >> 20];
        sum += (int64_t)weights[i] * in[i];
    }
    int32_t p16 = squash((int32_t)clamp_i(sum >> 16, -3071, 3071));
    bit = mix_code(m, bit, p16);
    int32_t error = (bit << 16) - p16;
    for (int i = 0; i < n; i++) {
        int64_t weight = weights[i] + (((int64_t)in[i] * error * rate + (1 << 17)) >> 18);
        weights[i] = (int32_t)clamp_i(weight, -(1 << 20), 1 << 20);
        uint32_t count = *counters[i] & 1023, p = *counters[i] >> 10;
        int64_t step = ((int64_t)(bit << 22) - (int64_t)p) * m->rate[count];
        p = (uint32_t)clamp_i((int64_t)p + (step >> 16), 0, (1 << 22) - 1);
        *counters[i] = p << 10 | (count < limit ? count + 1 : count);
    }
    return bit;
}

#define COUNTER_START (UINT32_C(1) << 31)

#endif
