/* Predictors: border sets (docs/format.md, 8.3), precision of coefficients (8.2), and the sums of the fit. */
#include "predict.h"

#define GRID_ROWS 64
#define GRID_REACH 64
#define GRID_COLUMNS (2 * GRID_REACH + 1)
#define RIDGE 0x1p-30
#define LOST 4e-16 /* of a diagonal element: what rounding leaves of a pivot that should be zero */
#define RICE_LIMIT 24
#define RICE_ESCAPE_BITS 48
#define FIRST_MEAN 16
#define MAX_COEFFICIENT ((int64_t)1 << 46)
#define ERROR_REACH 4 /* pixels to each side that a local error is averaged over */

int32_t RCZ(impulse_response)(const double *coefs, int64_t radius, double *wide, double *response) {
    if (radius < 1 || radius > MAX_RADIUS) return RCZ_BAD_ARGUMENT;
    int64_t stride = GRID_COLUMNS + 2 * radius;
    const double *rows[MAX_RADIUS + 1], *own = coefs + radius * (2 * radius + 1);
    for (int64_t i = 0; i < (GRID_ROWS + radius) * stride; i++) wide[i] = 0.0;
    for (int64_t y = 0; y < GRID_ROWS; y++) {
        double *row = wide + (y + radius) * stride, *found = response + y * GRID_COLUMNS;
        for (int64_t dy = 0; dy <= radius; dy++) rows[dy] = row - dy * stride;
        predict_above(rows, radius, coefs, GRID_COLUMNS, found);
        for (int64_t x = 0; x < GRID_COLUMNS; x++) {
            double p = found[x];
            for (int64_t j = 0; j < radius; j++) p += own[j] * row[x + j];
            if (y == 0 && x <= GRID_REACH) p = x == GRID_REACH ? 1.0 : 0.0;
            row[x + radius] = found[x] = p;
        }
    }
    return RCZ_OK;
}

int32_t RCZ(covariance)(const double *g, int64_t border, double *out) {
    if (border < 0 || border > MAX_BORDER) return RCZ_BAD_ARGUMENT;
    /* The lanes are lags j. Beyond the grid's sides a product is 0, which changes no finite sum; others are rejected. */
    double wide[GRID_COLUMNS + 4 * MAX_BORDER] = {0.0};
    int64_t lags = 4 * border + 1;
    for (int64_t i = 0; i <= border; i++) {
        double *restrict total = out + i * lags;
        for (int64_t j = 0; j < lags; j++) total[j] = 0.0;
        for (int64_t y = 0; y < GRID_ROWS - i; y++) {
            const double *a = g + y * GRID_COLUMNS;
            memcpy(wide + 2 * border, g + (y + i) * GRID_COLUMNS, GRID_COLUMNS * sizeof *g);
            for (int64_t x = 0; x < GRID_COLUMNS; x++) {
                const double *restrict b = wide + x;
                double factor = a[x];
                for (int64_t j = 0; j < lags; j++) total[j] += factor * b[j];
            }
        }
    }
    return RCZ_OK;
}

/* Covariance of two pixels dy rows and dx columns apart. */
static double lag(const double *r, int64_t border, int64_t dy, int64_t dx) {
    if (dy < 0) {
        dy = -dy;
        dx = -dx;
    }
    if (dy == 0 && dx < 0) dx = -dx;
    return r[dy * (4 * border + 1) + dx + 2 * border];
}

/* Turn z [n] into the solution of L L^T x = z, L the lower triangle of lower [n][n]; ascending sums. */
static void substitute(const double *lower, int64_t n, double *z) {
    for (int64_t m = 0; m < n; m++) {
        double t = z[m];
        for (int64_t h = 0; h < m; h++) t -= lower[m * n + h] * z[h];
        z[m] = t / lower[m * n + m];
    }
    for (int64_t m = n - 1; m >= 0; m--) {
        double t = z[m];
        for (int64_t h = m + 1; h < n; h++) t -= lower[h * n + m] * z[h];
        z[m] = t / lower[m * n + m];
    }
}

int32_t RCZ(best_coefficients)(const double *r, int64_t border, const int64_t *dys, const int64_t *dxs, int64_t n,
                               double *a, double *z) {
    if (border < 1 || border > MAX_BORDER || n < 0 || n > 2 * border * (border + 1)) return RCZ_BAD_ARGUMENT;
    for (int64_t m = 0; m < n; m++) {
        if (dys[m] < 0 || dys[m] > border || dxs[m] < -2 * border || dxs[m] > 2 * border) return RCZ_BAD_ARGUMENT;
        for (int64_t k = 0; k < m; k++) /* as far as covariances go */
            if (dxs[k] - dxs[m] > 2 * border || dxs[m] - dxs[k] > 2 * border) return RCZ_BAD_ARGUMENT;
    }
    for (int64_t m = 0; m < n; m++) {
        for (int64_t k = 0; k <= m; k++) a[m * n + k] = lag(r, border, dys[m] - dys[k], dxs[k] - dxs[m]);
        a[m * n + m] *= 1.0 + RIDGE;
        z[m] = lag(r, border, dys[m], -dxs[m]);
    }
    double column[2 * MAX_BORDER * (MAX_BORDER + 1)] = {0.0};
    for (int64_t k = 0; k < n; k++) {
        if (!(0.0 < a[k * n + k] && a[k * n + k] < INFINITY)) return RCZ_UNFIT;
        double root = sqrt(a[k * n + k]);
        a[k * n + k] = root;
        for (int64_t m = k + 1; m < n; m++) column[m] = a[m * n + k] /= root;
        for (int64_t m = k + 1; m < n; m++) {
            double factor = column[m], *restrict row = a + m * n;
            for (int64_t h = k + 1; h <= m; h++) row[h] -= factor * column[h];
        }
    }
    substitute(a, n, z);
    for (int64_t m = 0; m < n; m++)
        if (!(fabs(z[m]) < INFINITY)) return RCZ_UNFIT;
    return RCZ_OK;
}

/* Solution of a x = b for a positive definite a [n][n] (overwritten); a pivot that is lost drops its unknown. */
int32_t RCZ(cholesky_solve)(double *a, double *b, int64_t n) {
    for (int64_t j = 0; j < n; j++) {
        double *row = a + j * n, pivot = row[j];
        for (int64_t k = 0; k < j; k++) pivot -= row[k] * row[k];
        int dropped = !(pivot > LOST * row[j]);
        double root = dropped ? 1.0 : sqrt(pivot);
        row[j] = root;
        for (int64_t i = j + 1; i < n; i++) {
            double *other = a + i * n, t = other[j];
            for (int64_t k = 0; k < j; k++) t -= other[k] * row[k];
            other[j] = dropped ? 0.0 : t / root;
        }
        if (dropped) {
            b[j] = 0.0;
            for (int64_t k = 0; k < j; k++) row[k] = 0.0;
        }
    }
    substitute(a, n, b);
    return RCZ_OK;
}

int64_t RCZ(rice_bits)(const int64_t *integers, int64_t n) {
    int64_t mean = FIRST_MEAN, total = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t c = integers[i], z = c >= 0 ? 2 * c : -2 * c - 1, k = 0;
        for (int64_t m = mean >> 5; m > 0; m >>= 1) k++;
        total += z >> k < RICE_LIMIT ? (z >> k) + 1 + k : RICE_LIMIT + RICE_ESCAPE_BITS;
        mean += (16 * z - mean) >> 2;
    }
    return total;
}

/* Next n <= 48 bits; pos goes beyond the end where there are fewer. */
static int64_t next_bits(const uint8_t *code, int64_t n_bits, int64_t *pos, int64_t n) {
    int64_t v = 0, end = *pos + n;
    for (int64_t i = 0; i < n && *pos < n_bits; i++, (*pos)++) v |= (int64_t)(code[*pos >> 3] >> (*pos & 7) & 1) << i;
    *pos = end;
    return v;
}

int32_t RCZ(rice_read)(const uint8_t *code, int64_t n_bytes, int64_t *integers, int64_t n) {
    int64_t mean = FIRST_MEAN, pos = 0, n_bits = 8 * n_bytes;
    for (int64_t i = 0; i < n; i++) {
        int64_t k = 0, q = 0, z;
        for (int64_t m = mean >> 5; m > 0; m >>= 1) k++;
        while (q < RICE_LIMIT && next_bits(code, n_bits, &pos, 1) != 0) q++;
        if (q < RICE_LIMIT) /* z < 2^47 before, so that k <= 46 */
            z = q << k | next_bits(code, n_bits, &pos, k);
        else
            z = next_bits(code, n_bits, &pos, RICE_ESCAPE_BITS);
        if (pos > n_bits) return RCZ_BAD_STREAM;
        integers[i] = (z & 1) == 0 ? z >> 1 : -((z + 1) >> 1);
        if (integers[i] >= MAX_COEFFICIENT || integers[i] <= -MAX_COEFFICIENT) return RCZ_BAD_STREAM;
        mean += (16 * z - mean) >> 2;
    }
    if (n_bits - pos >= 8) return RCZ_BAD_STREAM;
    return (pos & 7) != 0 && code[pos >> 3] >> (pos & 7) != 0 ? RCZ_BAD_STREAM : RCZ_OK;
}

double RCZ(round_to_plane)(const double *x, const double *lower, int64_t n, double *left, double *out) {
    double added = 0.0;
    for (int64_t j = 0; j < n; j++) left[j] = 0.0;
    for (int64_t j = n - 1; j >= 0; j--) {
        const double *row = lower + j * n;
        double wanted = x[j] + left[j] / row[j];
        out[j] = rint(wanted);
        double d = out[j] - x[j], miss = (out[j] - wanted) * row[j];
        added += miss * miss;
        for (int64_t k = 0; k < j; k++) left[k] -= row[k] * d;
    }
    return added;
}

double RCZ(weighted_error)(const double *padded, int64_t radius, const double *coefs, const double *weight,
                           int64_t height, int64_t width, double *row) {
    double total = 0.0;
    if (radius < 1 || radius > MAX_RADIUS) return (double)NAN;
    for (int64_t y = 0; y < height; y++) {
        const double *values = padded + (y + radius) * (width + 2 * radius) + radius;
        predict_row(padded, y, radius, coefs, width, row);
        for (int64_t x = 0; x < width; x++) {
            double miss = values[x] - row[x];
            total += weight[y * width + x] * (miss * miss);
        }
    }
    return total;
}

int32_t RCZ(local_error)(const double *padded, int64_t radius, const double *coefs, const uint8_t *known,
                         int64_t height, int64_t width, double *row, double *error, double *out) {
    if (radius < 1 || radius > MAX_RADIUS) return RCZ_BAD_ARGUMENT;
    for (int64_t y = 0; y < height; y++) {
        const double *values = padded + (y + radius) * (width + 2 * radius) + radius;
        predict_row(padded, y, radius, coefs, width, row);
        for (int64_t x = 0; x < width; x++) error[y * width + x] = known[y * width + x] ? fabs(values[x] - row[x]) : 0.0;
    }
    for (int64_t y = 0; y < height; y++) {
        for (int64_t x = 0; x < width; x++) {
            double t = 0.0, n = 1e-30;
            for (int64_t yy = max_i(0, y - ERROR_REACH); yy < min_i(height, y + ERROR_REACH + 1); yy++) {
                for (int64_t xx = max_i(0, x - ERROR_REACH); xx < min_i(width, x + ERROR_REACH + 1); xx++) {
                    if (known[yy * width + xx]) {
                        t += error[yy * width + xx];
                        n += 1.0;
                    }
                }
            }
            out[y * width + x] = t / n;
        }
    }
    return RCZ_OK;
}

/* Largest z for which 2^z divides each of the finite normal values, and the fraction bits that any needs; 0 and 0 if all
 * are zero. */
int32_t RCZ(float_quantum)(const double *values, int64_t n, int64_t *z, int64_t *mantissa) {
    int64_t low = 1100, most = 0;
    for (int64_t i = 0; i < n; i++) {
        if (values[i] == 0.0) continue;
        int64_t bits = bits_of(values[i]);
        int64_t zeros = __builtin_ctzll(((uint64_t)bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1 << 52);
        low = min_i(low, ((bits >> 52) & 2047) - 1075 + zeros);
        most = max_i(most, 52 - zeros);
    }
    *z = low == 1100 ? 0 : low;
    *mantissa = most;
    return RCZ_OK;
}

int32_t RCZ(self_check)(double a, double b, double c) {
    /* The caller gives numbers for which a fused multiply-add gives another sum than a product that is rounded first. */
    double product = a * b, sum = a * b + c;
    volatile double rounded = product;
    return sum == rounded + c ? RCZ_OK : RCZ_UNFIT;
}
