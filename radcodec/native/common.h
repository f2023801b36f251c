/* Scalars that several files share. */
#ifndef RCZ_COMMON_H
#define RCZ_COMMON_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core.h"

#if defined(__FAST_MATH__)
#error "the native core must not be compiled with -ffast-math: its sums have one order"
#endif
/* 1, as of gcc on s390x, is float in the precision of double: a sum of two floats rounds to the same float. */
#if !defined(FLT_EVAL_METHOD) || (FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 1)
#error "the native core needs arithmetic in the precision of double (FLT_EVAL_METHOD 0 or 1), not that of x87"
#endif
#if DBL_MANT_DIG != 53 || DBL_MAX_EXP != 1024
#error "the native core needs IEEE 754 binary64"
#endif

#define TINY 0x1p-1000

static inline int64_t bits_of(double v) {
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline double from_bits(int64_t bits) {
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* 2^e for -1022 <= e <= 1023. */
static inline double pow2(int64_t e) { return from_bits((int64_t)((uint64_t)(e + 1023) << 52)); }

/* floor(log2 v) of a positive normal number. */
static inline int64_t exponent_of(double v) { return (bits_of(v) >> 52) - 1023; }

static inline int64_t min_i(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max_i(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t clamp_i(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }
static inline double max_d(double a, double b) { return b > a ? b : a; }

/* Quotient of integers, rounded down. */
static inline int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

/* Eight bytes, the least significant first. */
static inline uint64_t load_64(const uint8_t *at) {
    uint64_t v;
    memcpy(&v, at, sizeof v);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void store_64(uint8_t *at, uint64_t v) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(at, &v, sizeof v);
}

/* The n <= 64 lowest bits. */
static inline uint64_t low_bits(uint64_t v, int64_t n) { return n < 64 ? v & (((uint64_t)1 << n) - 1) : v; }

/* Piece of scratch memory, 64 bytes aligned to its start. */
static inline void *carve(unsigned char **at, int64_t bytes) {
    void *piece = *at;
    *at += (bytes + 63) / 64 * 64;
    return piece;
}

#endif
