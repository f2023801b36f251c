/* Calls of the native core as bytes, for every processor and for fuzzing: what a case holds is in cases.c. */
#ifndef CASES_H
#define CASES_H

#include <stdint.h>

typedef struct tables tables;

/* Read the tables of the package, as export.py writes them. NULL if they are cut short. */
tables *read_tables(const uint8_t *data, int64_t size);
void free_tables(tables *t);

/* What came out: a hash of everything, and the bytes of what decoding gave, up to a capacity. */
typedef struct {
    uint64_t hash;
    uint8_t *kept;
    int64_t capacity, n_kept;
    int differs; /* whether coding what was decoded gave another stream */
} result;

enum { MOST_FOR_FUZZING = 1, EVERYTHING = 0 };

/* Carry out one case; with `small`, sides are cut so that a case takes little time. Cases may hold anything. */
void run_case(const tables *t, const uint8_t *data, int64_t size, int small, result *out);

#endif
