/* The quick fit of a predictor: weighted normal equations from sums over cells, local errors, triangular systems. */
#include "predict.h"

#define CELL 8        /* the sums over a cell are written for this side */
#define LANES 16      /* shifts that are summed at a time */
#define MAX_SHIFTS 64 /* 2 MAX_RADIUS + 1, up to a multiple of LANES */
#define AT_ONCE 4     /* rows, so that a sum is not read while it is still on its way to memory */
#define MAX_CELLS ((int64_t)1 << 16)
#define ERROR_REACH 4 /* pixels to each side that a local error is averaged over */

#define REAL double
#define NAME(name) name##_double
#include "cell_products.h"
#undef REAL
#undef NAME
#define REAL float
#define NAME(name) name##_single
#include "cell_products.h"
#undef REAL
#undef NAME

int64_t RCZ(products_bytes)(int64_t radius, int64_t rows, int64_t columns) {
    cells_double c;
    if (radius < 1 || radius > MAX_RADIUS || rows < 1 || columns < 1 || rows > MAX_CELLS || columns > MAX_CELLS) return -1;
    return lay_out_double(NULL, radius, rows, columns, &c) + 64;
}

int32_t RCZ(products)(const double *values, int64_t radius, int64_t rows, int64_t columns, const double *weights,
                      const int64_t *place, int32_t rough, double *out, void *scratch, int64_t scratch_bytes) {
    int64_t needed = RCZ(products_bytes)(radius, rows, columns), n = 2 * radius * (radius + 1) + 1;
    if (needed < 0 || scratch == NULL || scratch_bytes < needed) return RCZ_BAD_ARGUMENT;
    for (int64_t i = 0; i < n; i++)
        if (place[i] < 0 || place[i] >= n) return RCZ_BAD_ARGUMENT;
    unsigned char *at = (unsigned char *)scratch + (64 - (uintptr_t)scratch % 64) % 64;
    if (rough)
        sum_products_single(values, radius, rows, columns, weights, place, out, at);
    else
        sum_products_double(values, radius, rows, columns, weights, place, out, at);
    return RCZ_OK;
}

int32_t RCZ(error_sums)(const double *padded, int64_t radius, const double *coefs, const uint8_t *known, int64_t height,
                        int64_t width, double *row, double *wide, double *out) {
    if (radius < 1 || radius > MAX_RADIUS || height < 1 || width < 1) return RCZ_BAD_ARGUMENT;
    for (int64_t x = 0; x < width + 2 * ERROR_REACH; x++) row[x] = 0.0;
    double *restrict error = row + ERROR_REACH;
    for (int64_t y = 0; y < height; y++) {
        const double *values = padded + (y + radius) * (width + 2 * radius) + radius;
        const uint8_t *mark = known == NULL ? NULL : known + y * width;
        double *restrict sum = wide + y * width;
        predict_row(padded, y, radius, coefs, width, error);
        for (int64_t x = 0; x < width; x++) error[x] = fabs(values[x] - error[x]);
        for (int64_t x = 0; mark != NULL && x < width; x++) error[x] = mark[x] ? error[x] : 0.0;
        for (int64_t x = 0; x < width; x++) {
            const double *e = row + x;
            sum[x] = ((((e[0] + e[1]) + (e[2] + e[3])) + ((e[4] + e[5]) + (e[6] + e[7]))) + e[8]);
        }
    }
    for (int64_t y = 0; y < height; y++) {
        double *restrict sum = out + y * width;
        for (int64_t x = 0; x < width; x++) sum[x] = 0.0;
        for (int64_t z = max_i(0, y - ERROR_REACH); z < min_i(height, y + ERROR_REACH + 1); z++) {
            const double *restrict part = wide + z * width;
            for (int64_t x = 0; x < width; x++) sum[x] += part[x];
        }
    }
    return RCZ_OK;
}

int32_t RCZ(forward)(const double *lower, int64_t n, int64_t stride, double *z) {
    if (n < 1 || stride < n) return RCZ_BAD_ARGUMENT;
    for (int64_t m = 0; m < n; m++) {
        const double *row = lower + m * stride;
        double part[4] = {0.0, 0.0, 0.0, 0.0};
        int64_t h = 0;
        for (; h + 4 <= m; h += 4)
            for (int64_t k = 0; k < 4; k++) part[k] += row[h + k] * z[h + k];
        for (; h < m; h++) part[0] += row[h] * z[h];
        z[m] = (z[m] - ((part[0] + part[1]) + (part[2] + part[3]))) / row[m];
    }
    return RCZ_OK;
}

int32_t RCZ(backward)(const double *lower, int64_t n, int64_t stride, double *restrict z) {
    if (n < 1 || stride < n) return RCZ_BAD_ARGUMENT;
    for (int64_t m = n - 1; m >= 0; m--) {
        const double *restrict row = lower + m * stride;
        double value = z[m] / row[m];
        z[m] = value;
        for (int64_t h = 0; h < m; h++) z[h] -= row[h] * value;
    }
    return RCZ_OK;
}
