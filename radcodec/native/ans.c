/* ANS coder that writes the words that constriction's AnsCoder writes (docs/format.md, 8.6).
 *
 * 64-bit state, 32-bit words, 24-bit precision. Decoding is woven into the passes, because each symbol's table depends on
 * the samples before it. Duda (2013), arXiv:1311.2540; Bamler (2022), arXiv:2201.01741.
 */
#include "common.h"

int64_t RCZ(ans_encode)(const uint8_t *symbols, const uint16_t *tables, int64_t n, const uint32_t *cumulative,
                        int64_t rows, int64_t columns, uint32_t *words, int64_t capacity) {
    uint64_t state = 0;
    int64_t count = 0;
    if (capacity < n + 2) return -RCZ_BAD_ARGUMENT;
    for (int64_t i = n - 1; i >= 0; i--) {
        if (tables[i] >= rows || symbols[i] + 1 >= columns) return -RCZ_BAD_ARGUMENT;
        const uint32_t *row = cumulative + (int64_t)tables[i] * columns;
        uint64_t low = row[symbols[i]], size = row[symbols[i] + 1] - low;
        if (size == 0) return -RCZ_BAD_ARGUMENT;
        if (state >> 40 >= size) {
            words[count++] = (uint32_t)state;
            state >>= 32;
        }
        uint64_t quotient = state / size;
        state = quotient << 24 | (low + (state - quotient * size));
    }
    while (state != 0) {
        words[count++] = (uint32_t)state;
        state >>= 32;
    }
    return count;
}

int32_t RCZ(count_symbols)(const uint8_t *symbols, const uint16_t *tables, int64_t n, int64_t *counts, int64_t rows,
                           int64_t columns) {
    for (int64_t i = 0; i < n; i++) {
        if (tables[i] >= rows || symbols[i] >= columns) return RCZ_BAD_ARGUMENT;
        counts[(int64_t)tables[i] * columns + symbols[i]]++;
    }
    return RCZ_OK;
}
