/* What is asked once, before any variant is chosen. Compiled for the plainest processor. */
#include "core.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

static uint64_t enabled_states(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* 0: no more than the plainest; 1: AVX2; 2: AVX-512 F, DQ, BW and VL; as the processor and the system allow. */
static int32_t level(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return 0; /* OSXSAVE */
    uint64_t states = enabled_states();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if ((states & 6) != 6 || !(b >> 5 & 1)) return 0;
    uint32_t wanted = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    return (states & 0xe6) == 0xe6 && (b & wanted) == wanted ? 2 : 1;
}
#else
static int32_t level(void) { return 0; }
#endif

RCZ_API int32_t rcz_abi(void);
RCZ_API int32_t rcz_cpu_level(void);

int32_t rcz_abi(void) { return RCZ_ABI; }
int32_t rcz_cpu_level(void) { return level(); }
