/* Layers of the wide network (docs/format.md, 9.11) on a chunk of pairs, in 16-bit products: exact in every variant.
 *
 * Activations are [inputs / 2][CHUNK][2], so that one instruction multiplies two inputs of a pair and adds them.
 */
#ifndef RCZ_WIDE_LAYER_H
#define RCZ_WIDE_LAYER_H

#include "common.h"

/* clang has its 512-bit intrinsics only where it may use such registers by itself (evex512). */
#if defined(__AVX512BW__) && (!defined(__clang__) || defined(__EVEX512__))
#include <immintrin.h>
#define LANES 16
typedef __m512i lanes;
#define LOAD(at) _mm512_loadu_si512((const void *)(at))
#define STORE(at, v) _mm512_storeu_si512((void *)(at), v)
#define SET(v) _mm512_set1_epi32(v)
#define ADD(a, b) _mm512_add_epi32(a, b)
#define MADD(a, b) _mm512_madd_epi16(a, b)
#define SHIFT(v, n) _mm512_sra_epi32(v, _mm_cvtsi32_si128(n))
#elif defined(__AVX2__)
#include <immintrin.h>
#define LANES 8
typedef __m256i lanes;
#define LOAD(at) _mm256_loadu_si256((const __m256i *)(at))
#define STORE(at, v) _mm256_storeu_si256((__m256i *)(at), v)
#define SET(v) _mm256_set1_epi32(v)
#define ADD(a, b) _mm256_add_epi32(a, b)
#define MADD(a, b) _mm256_madd_epi16(a, b)
#define SHIFT(v, n) _mm256_sra_epi32(v, _mm_cvtsi32_si128(n))
#elif defined(__SSE2__)
#include <emmintrin.h>
#define LANES 4
typedef __m128i lanes;
#define LOAD(at) _mm_loadu_si128((const __m128i *)(at))
#define STORE(at, v) _mm_storeu_si128((__m128i *)(at), v)
#define SET(v) _mm_set1_epi32(v)
#define ADD(a, b) _mm_add_epi32(a, b)
#define MADD(a, b) _mm_madd_epi16(a, b)
#define SHIFT(v, n) _mm_sra_epi32(v, _mm_cvtsi32_si128(n))
#endif

/* Fill four rows of out [4][CHUNK] with (bias + weight @ x) >> shift for n pairs, and up to LANES - 1 more. */
#ifdef LANES
static inline void four_rows(const int16_t *x, int64_t n, const int16_t *weight, const int32_t *bias, int32_t shift,
                             int64_t inputs, int64_t rows, int32_t *out) {
    int32_t packed[4][32] = {{0}};
    for (int64_t o = 0; o < rows; o++) memcpy(packed[o], weight + o * inputs, (size_t)inputs * 2);
    for (int64_t i = 0; i < n; i += LANES) {
        lanes a = SET(bias[0]), b = SET(rows > 1 ? bias[1] : 0), c = SET(rows > 2 ? bias[2] : 0),
              d = SET(rows > 3 ? bias[3] : 0);
        for (int64_t k = 0; k < inputs / 2; k++) {
            lanes v = LOAD(x + (k * CHUNK + i) * 2);
            a = ADD(a, MADD(v, SET(packed[0][k])));
            b = ADD(b, MADD(v, SET(packed[1][k])));
            c = ADD(c, MADD(v, SET(packed[2][k])));
            d = ADD(d, MADD(v, SET(packed[3][k])));
        }
        STORE(out + i, SHIFT(a, shift));
        STORE(out + CHUNK + i, SHIFT(b, shift));
        STORE(out + 2 * CHUNK + i, SHIFT(c, shift));
        STORE(out + 3 * CHUNK + i, SHIFT(d, shift));
    }
}
#else
static inline void four_rows(const int16_t *x, int64_t n, const int16_t *weight, const int32_t *bias, int32_t shift,
                             int64_t inputs, int64_t rows, int32_t *out) {
    for (int64_t o = 0; o < rows; o++) {
        int32_t *restrict row = out + o * CHUNK;
        for (int64_t i = 0; i < n; i++) row[i] = bias[o];
        for (int64_t k = 0; k < inputs / 2; k++) {
            int32_t w0 = weight[o * inputs + 2 * k], w1 = weight[o * inputs + 2 * k + 1];
            const int16_t *restrict at = x + k * CHUNK * 2;
            for (int64_t i = 0; i < n; i++) row[i] += w0 * at[2 * i] + w1 * at[2 * i + 1];
        }
        for (int64_t i = 0; i < n; i++) row[i] >>= shift;
    }
}
#endif

/* Fill out [outputs / 2][CHUNK][2] with the activations of a hidden layer. */
static inline void hidden_layer(const int16_t *x, int64_t n, const int16_t *weight, const int32_t *bias, int32_t shift,
                                int64_t inputs, int64_t outputs, int16_t *out) {
    int32_t rows[4 * CHUNK];
    for (int64_t o = 0; o < outputs; o += 4) {
        four_rows(x, n, weight + o * inputs, bias + o, shift, inputs, 4, rows);
        for (int64_t r = 0; r < 4; r++) {
            int16_t *restrict to = out + (o + r) / 2 * CHUNK * 2 + r % 2;
            const int32_t *restrict from = rows + r * CHUNK;
            for (int64_t i = 0; i < n; i++) {
                int32_t v = from[i];
                to[2 * i] = (int16_t)(v < 0 ? 0 : v > MAX_ACTIVATION ? MAX_ACTIVATION : v);
            }
        }
    }
}

#endif
