/* What libFuzzer calls: one case an input. RADCODEC_TABLES names the file of tables that export.py writes. */
#include <stdio.h>
#include <stdlib.h>

#include "cases.h"

static tables *known;

static tables *load(const char *path) {
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    uint8_t *data = malloc((size_t)size);
    rewind(file);
    size_t n = data != NULL ? fread(data, 1, (size_t)size, file) : 0;
    fclose(file);
    tables *found = n == (size_t)size ? read_tables(data, size) : NULL;
    free(data);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (known == NULL && (known = load(getenv("RADCODEC_TABLES"))) == NULL) {
        fprintf(stderr, "RADCODEC_TABLES must name the tables that export.py writes\n");
        abort();
    }
    result out = {0};
    run_case(known, data, (int64_t)size, MOST_FOR_FUZZING, &out);
    return 0;
}
