/* Layers of the wide network (docs/format.md, 9.11) on a chunk of pairs, in 16-bit products: exact in every variant.
 *
 * Activations are [inputs / 2][STRIDE][2], so that one instruction multiplies two inputs of a pair and adds them; weights are
 * [outputs][inputs / 2], two in each number. A group of registers of pairs shares each weight that is loaded.
 */
#ifndef RCZ_WIDE_LAYER_H
#define RCZ_WIDE_LAYER_H

#include "common.h"

/* clang has its 512-bit intrinsics only where it may use such registers by itself (evex512). */
#if defined(__AVX512BW__) && (!defined(__clang__) || defined(__EVEX512__))
#include <immintrin.h>
#define LANES 16
#define GROUP 4
typedef __m512i lanes;
#define LOAD(at) _mm512_loadu_si512((const void *)(at))
#define STORE(at, v) _mm512_storeu_si512((void *)(at), v)
#define SET(v) _mm512_set1_epi32(v)
#define ADD(a, b) _mm512_add_epi32(a, b)
#define MADD(a, b) _mm512_madd_epi16(a, b)
#define SHIFT(v, n) _mm512_sra_epi32(v, _mm_cvtsi32_si128(n))
#define CLAMP(v) _mm512_min_epi32(_mm512_max_epi32(v, _mm512_setzero_si512()), SET(MAX_ACTIVATION))
#define TWO(a, b) _mm512_or_si512(a, _mm512_slli_epi32(b, 16))
#elif defined(__AVX2__)
#include <immintrin.h>
#define LANES 8
#define GROUP 2
typedef __m256i lanes;
#define LOAD(at) _mm256_loadu_si256((const __m256i *)(at))
#define STORE(at, v) _mm256_storeu_si256((__m256i *)(at), v)
#define SET(v) _mm256_set1_epi32(v)
#define ADD(a, b) _mm256_add_epi32(a, b)
#define MADD(a, b) _mm256_madd_epi16(a, b)
#define SHIFT(v, n) _mm256_sra_epi32(v, _mm_cvtsi32_si128(n))
#define CLAMP(v) _mm256_min_epi32(_mm256_max_epi32(v, _mm256_setzero_si256()), SET(MAX_ACTIVATION))
#define TWO(a, b) _mm256_or_si256(a, _mm256_slli_epi32(b, 16))
#elif defined(__SSE2__)
#include <emmintrin.h>
#define LANES 4
#define GROUP 2
typedef __m128i lanes;
#define LOAD(at) _mm_loadu_si128((const __m128i *)(at))
#define STORE(at, v) _mm_storeu_si128((__m128i *)(at), v)
#define SET(v) _mm_set1_epi32(v)
#define ADD(a, b) _mm_add_epi32(a, b)
#define MADD(a, b) _mm_madd_epi16(a, b)
#define SHIFT(v, n) _mm_sra_epi32(v, _mm_cvtsi32_si128(n))
/* Without a minimum of 32-bit numbers: packed to 16 bits with saturation, and back. */
static inline lanes clamp_lanes(lanes v) {
    lanes packed = _mm_packs_epi32(v, v), most = _mm_set1_epi16(MAX_ACTIVATION), nothing = _mm_setzero_si128();
    packed = _mm_min_epi16(_mm_max_epi16(packed, nothing), most);
    return _mm_unpacklo_epi16(packed, nothing);
}
#define CLAMP(v) clamp_lanes(v)
#define TWO(a, b) _mm_or_si128(a, _mm_slli_epi32(b, 16))
#endif

/* Two weights or inputs as one number, as they lie in memory. */
static inline int32_t packed_two(const int16_t *at) {
    int32_t both;
    memcpy(&both, at, sizeof both);
    return both;
}

/* What rows of weights make of the pairs from i on, LANES * GROUP of them where there are lanes. */
#ifdef LANES
#define PAIRS (LANES * GROUP)
static inline __attribute__((always_inline)) void sum_rows_of(const int16_t *x, int64_t i, const int32_t *weight,
                                                              const int32_t *bias, int32_t shift, int64_t slots,
                                                              int64_t rows, lanes sums[][GROUP]) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t g = 0; g < GROUP; g++) sums[r][g] = SET(bias[r]);
    for (int64_t k = 0; k < slots; k++) {
        lanes v[GROUP];
        for (int64_t g = 0; g < GROUP; g++) v[g] = LOAD(x + (k * STRIDE + i + g * LANES) * 2);
        for (int64_t r = 0; r < rows; r++) {
            lanes w = SET(weight[r * slots + k]);
            for (int64_t g = 0; g < GROUP; g++) sums[r][g] = ADD(sums[r][g], MADD(v[g], w));
        }
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t g = 0; g < GROUP; g++) sums[r][g] = SHIFT(sums[r][g], shift);
}
#else
#define PAIRS 16
static inline void sum_rows_of(const int16_t *x, int64_t i, const int32_t *weight, const int32_t *bias, int32_t shift,
                               int64_t slots, int64_t rows, int32_t sums[][PAIRS]) {
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t t = 0; t < PAIRS; t++) sums[r][t] = bias[r];
        for (int64_t k = 0; k < slots; k++) {
            int16_t w[2];
            const int16_t *at = x + (k * STRIDE + i) * 2;
            memcpy(w, weight + r * slots + k, sizeof w);
            for (int64_t t = 0; t < PAIRS; t++) sums[r][t] += w[0] * at[2 * t] + w[1] * at[2 * t + 1];
        }
        for (int64_t t = 0; t < PAIRS; t++) sums[r][t] >>= shift;
    }
}
#endif

/* Fill out [2][STRIDE] with two rows of (bias + weight @ x) >> shift for n pairs, and some more. */
static void two_rows(const int16_t *x, int64_t n, const int32_t *weight, const int32_t *bias, int32_t shift,
                     int64_t slots, int32_t *out) {
    for (int64_t i = 0; i < n; i += PAIRS) {
#ifdef LANES
        lanes sums[2][GROUP];
        sum_rows_of(x, i, weight, bias, shift, slots, 2, sums);
        for (int64_t r = 0; r < 2; r++)
            for (int64_t g = 0; g < GROUP; g++) STORE(out + r * STRIDE + i + g * LANES, sums[r][g]);
#else
        int32_t sums[2][PAIRS];
        sum_rows_of(x, i, weight, bias, shift, slots, 2, sums);
        for (int64_t r = 0; r < 2; r++) memcpy(out + r * STRIDE + i, sums[r], sizeof sums[r]);
#endif
    }
}

/* Fill out [outputs / 2][STRIDE][2] with the activations of a hidden layer; outputs is a multiple of 4. */
static void hidden_layer(const int16_t *x, int64_t n, const int32_t *weight, const int32_t *bias, int32_t shift,
                         int64_t slots, int64_t outputs, int16_t *out) {
    for (int64_t i = 0; i < n; i += PAIRS) {
        for (int64_t o = 0; o < outputs; o += 4) {
#ifdef LANES
            lanes sums[4][GROUP];
            sum_rows_of(x, i, weight + o * slots, bias + o, shift, slots, 4, sums);
            for (int64_t r = 0; r < 4; r += 2)
                for (int64_t g = 0; g < GROUP; g++)
                    STORE(out + ((o + r) / 2 * STRIDE + i + g * LANES) * 2,
                          TWO(CLAMP(sums[r][g]), CLAMP(sums[r + 1][g])));
#else
            int32_t sums[4][PAIRS];
            sum_rows_of(x, i, weight + o * slots, bias + o, shift, slots, 4, sums);
            for (int64_t r = 0; r < 4; r++)
                for (int64_t t = 0; t < PAIRS; t++) {
                    int32_t v = sums[r][t];
                    out[((o + r) / 2 * STRIDE + i + t) * 2 + r % 2] =
                        (int16_t)(v < 0 ? 0 : v > MAX_ACTIVATION ? MAX_ACTIVATION : v);
                }
#endif
        }
    }
}

#endif
