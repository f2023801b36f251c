/* Carry out the cases of a file and compare: ``vectors TABLES CASES``. Prints one line; fails at a difference. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

static uint8_t *load(const char *path, int64_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    uint8_t *data = malloc((size_t)*size + 1);
    if (data != NULL && fread(data, 1, (size_t)*size, file) != (size_t)*size) *size = -1;
    fclose(file);
    return data;
}

static int64_t number(const uint8_t *at) {
    return (int64_t)at[0] | (int64_t)at[1] << 8 | (int64_t)at[2] << 16 | (int64_t)at[3] << 24;
}

int main(int count, char **arguments) {
    int64_t n_tables = -1, n_cases = -1, pos = 0, done = 0, wrong = 0;
    if (count != 3) return 2;
    uint8_t *data = load(arguments[1], &n_tables), *cases = load(arguments[2], &n_cases);
    tables *t = data != NULL && n_tables >= 0 ? read_tables(data, n_tables) : NULL;
    if (t == NULL || cases == NULL || n_cases < 0) return 2;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    while (pos + 8 <= n_cases) { /* length of the case, of what decoding gives, and both */
        int64_t size = number(cases + pos), expected = number(cases + pos + 4);
        if (size + expected > n_cases - pos - 8) return 2;
        result out = {.hash = hash, .kept = malloc((size_t)expected + 1), .capacity = expected};
        if (out.kept == NULL) return 2;
        run_case(t, cases + pos + 8, size, EVERYTHING, &out);
        int other = out.n_kept != expected || memcmp(out.kept, cases + pos + 8 + size, (size_t)expected) != 0;
        if (other || out.differs) {
            fprintf(stderr, "case %" PRId64 " of kind %d: %s\n", done, cases[pos + 8],
                    other ? "decoding gives other numbers" : "coding gives another stream");
            wrong++;
        }
        free(out.kept);
        hash = out.hash;
        pos += 8 + size + expected;
        done++;
    }
    printf("%" PRId64 " cases, %" PRId64 " wrong, hash %016" PRIx64 "\n", done, wrong, hash);
    free_tables(t);
    free(data);
    free(cases);
    return wrong != 0 || pos != n_cases;
}
