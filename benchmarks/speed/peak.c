/* What the machine can do at most, for `kernels`: seconds of a chain of dependent integer products (three cycles each on
 * x86-64 processors since 2008), and of products with their sums in registers, which no cache and no wait slows. */
#include <stdint.h>

#if defined(__AVX__)
#define LANES 4
#else
#define LANES 2
#endif
#define SUMS 8 /* registers that are added to in turn: as many as hide the wait for a sum */
typedef double lanes __attribute__((vector_size(8 * LANES)));

int64_t peak_lanes(void) { return LANES; }

/* Multiply 4 n times, each time the product before. */
uint64_t chain(int64_t n, uint64_t factor) {
    uint64_t x = factor;
    for (int64_t i = 0; i < n; i++) {
        x *= factor;
        __asm__ volatile("" : "+r"(x));
        x *= factor;
        __asm__ volatile("" : "+r"(x));
        x *= factor;
        __asm__ volatile("" : "+r"(x));
        x *= factor;
        __asm__ volatile("" : "+r"(x));
    }
    return x;
}

#if defined(__x86_64__)
#define A_PRODUCT(s) \
    do { \
        lanes product = k * v; \
        __asm__ volatile("" : "+x"(v)); /* a product each time */ \
        s += product; \
    } while (0)
#else
#define A_PRODUCT(s) s += k * v
#endif

/* Add n * SUMS products of LANES lanes each. */
double products(int64_t n, double factor) {
    lanes k, v;
    for (int i = 0; i < LANES; i++) k[i] = v[i] = factor;
    lanes s0 = k, s1 = k, s2 = k, s3 = k, s4 = k, s5 = k, s6 = k, s7 = k;
    for (int64_t i = 0; i < n; i++) {
        A_PRODUCT(s0);
        A_PRODUCT(s1);
        A_PRODUCT(s2);
        A_PRODUCT(s3);
        A_PRODUCT(s4);
        A_PRODUCT(s5);
        A_PRODUCT(s6);
        A_PRODUCT(s7);
    }
    lanes sum = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7;
    return sum[0] + sum[1];
}
