/* Weighted sums of products over cells of CELL x CELL pixels, in the type REAL; fit.c includes this once a type.
 *
 * The sum over a pixel's window of x(p + s) x(p + t) is, for one lag t - s, that of one image of products, shifted by s.
 * So box sums of that image serve all pairs of taps with the lag: far fewer operations than a product of matrices takes.
 */

/* Sums of products over 1, 2, 4 and 8 rows, from those of rows before. (All are parameters: so compilers believe
 * restrict.) */
static void NAME(add_row)(const REAL *restrict a, const REAL *restrict b, REAL *restrict one, const REAL *restrict one_before,
                          REAL *restrict two, const REAL *restrict two_before, REAL *restrict four,
                          const REAL *restrict four_before, REAL *restrict box, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        REAL product = a[i] * b[i], pair = product + one_before[i], quad = pair + two_before[i];
        one[i] = product;
        two[i] = pair;
        four[i] = quad;
        box[i] = quad + four_before[i];
    }
}

/* box [n]: sums over CELL columns from each on; part [n] is scratch. Both arrays go on for CELL elements. */
static void NAME(add_columns)(REAL *restrict box, REAL *restrict part, int64_t n) {
    for (int64_t i = 0; i < n; i++) part[i] = (box[i] + box[i + 1]) + (box[i + 2] + box[i + 3]);
    for (int64_t i = 0; i < n; i++) box[i] = part[i] + part[i + 4];
}

/* Add to total [n] the weighted sum over a row of cells of box sums, for each shift; n is a multiple of LANES. */
static void NAME(add_cells)(const REAL *weights, const REAL *restrict box, REAL *restrict sum, double *restrict total,
                            int64_t columns, int64_t n) {
    for (int64_t t = 0; t < n; t++) sum[t] = 0;
    for (int64_t x = 0; x < columns; x += CELL) {
        const REAL *w = weights + x, *restrict at = box + x * CELL;
        REAL a = w[0], b = w[1], c = w[2], d = w[3], e = w[4], f = w[5], g = w[6], h = w[7];
        for (int64_t t = 0; t < n; t++) {
            REAL first = (a * at[t] + b * at[t + CELL]) + (c * at[t + 2 * CELL] + d * at[t + 3 * CELL]);
            REAL second = (e * at[t + 4 * CELL] + f * at[t + 5 * CELL]) + (g * at[t + 6 * CELL] + h * at[t + 7 * CELL]);
            sum[t] += first + second;
        }
    }
    for (int64_t t = 0; t < n; t++) total[t] += (double)sum[t];
}

typedef struct {
    REAL *values, *weights, *one, *two, *four, *box, *part, *sum;
    double *total;
    int64_t stride, width; /* of rows of values and of buffers */
} NAME(cells);

/* Point into scratch memory where it is not NULL; gives the bytes that are needed. */
static int64_t NAME(lay_out)(unsigned char *at, int64_t radius, int64_t rows, int64_t columns, NAME(cells) *c) {
    int64_t padded = (columns + CELL - 1) / CELL * CELL, size = (int64_t)sizeof(REAL), total = 0;
    c->stride = columns * CELL + 2 * radius;
    c->width = padded * CELL + 2 * LANES * CELL;
    REAL **parts[8] = {&c->values, &c->weights, &c->one, &c->two, &c->four, &c->box, &c->part, &c->sum};
    int64_t counts[8] = {(rows * CELL + radius) * c->stride, rows * padded, 2 * c->width, 4 * c->width, 8 * c->width,
                         AT_ONCE * c->width, c->width, MAX_SHIFTS};
    for (int64_t i = 0; i < 8; i++) {
        if (at != NULL) *parts[i] = (REAL *)(void *)(at + total);
        total += (size * counts[i] + 63) / 64 * 64;
    }
    if (at != NULL) c->total = (double *)(void *)(at + total);
    return total + 8 * (radius + 1) * MAX_SHIFTS;
}

/* Totals of a lag (dy, dx): for each shift of the earlier of the two pixels, the weighted sum over all cells. */
static void NAME(sum_lag)(const NAME(cells) *c, int64_t radius, int64_t rows, int64_t columns, int64_t dy, int64_t dx) {
    int64_t first = dx < 0 ? -dx : 0, shifts = 2 * radius + 1 - (dx < 0 ? -dx : dx), n = columns * CELL - 1 + shifts;
    int64_t height = rows * CELL + radius - dy, padded = (columns + CELL - 1) / CELL * CELL;
    int64_t lanes = (shifts + LANES - 1) / LANES * LANES, most = radius - dy, w = c->width;
    for (int64_t i = 0; i < (most + 1) * MAX_SHIFTS; i++) c->total[i] = 0.0;
    for (int64_t start = 0; start < height; start += AT_ONCE) {
        int64_t end = min_i(start + AT_ONCE, height);
        for (int64_t y = start; y < end; y++) {
            const REAL *a = c->values + y * c->stride + first, *b = c->values + (y + dy) * c->stride + first + dx;
            NAME(add_row)(a, b, c->one + (y & 1) * w, c->one + ((y + 1) & 1) * w, c->two + (y & 3) * w,
                          c->two + ((y + 2) & 3) * w, c->four + (y & 7) * w, c->four + ((y + 4) & 7) * w,
                          c->box + (y - start) * w, n);
        }
        for (int64_t y = start; y < end; y++) NAME(add_columns)(c->box + (y - start) * w, c->part, n);
        for (int64_t y = max_i(start, CELL - 1); y < end; y++) {
            int64_t top = y - (CELL - 1), last = min_i(top / CELL, rows - 1);
            for (int64_t row = max_i(0, (top - most + CELL - 1) / CELL); row <= last; row++)
                NAME(add_cells)(c->weights + row * padded, c->box + (y - start) * w, c->sum,
                                c->total + (top - row * CELL) * MAX_SHIFTS, padded, lanes);
        }
    }
}

static void NAME(sum_products)(const double *values, int64_t radius, int64_t rows, int64_t columns, const double *weights,
                               const int64_t *place, double *out, unsigned char *scratch) {
    NAME(cells) c;
    int64_t used = NAME(lay_out)(scratch, radius, rows, columns, &c), wide = 2 * radius + 1;
    int64_t padded = (columns + CELL - 1) / CELL * CELL, n = 2 * radius * (radius + 1) + 1;
    memset(scratch, 0, (size_t)used); /* what lies behind the ends of rows is added with weights of zero */
    for (int64_t i = 0; i < (rows * CELL + radius) * c.stride; i++) c.values[i] = (REAL)values[i];
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < columns; x++) c.weights[y * padded + x] = (REAL)weights[y * columns + x];
    for (int64_t dy = 0; dy <= radius; dy++) {
        for (int64_t dx = dy == 0 ? 0 : -2 * radius; dx <= 2 * radius; dx++) {
            NAME(sum_lag)(&c, radius, rows, columns, dy, dx);
            int64_t first = dx < 0 ? -dx : 0, shifts = wide - (dx < 0 ? -dx : dx);
            for (int64_t y = 0; y <= radius - dy; y++) {
                for (int64_t x = first; x < first + shifts; x++) {
                    int64_t i = y * wide + x, j = (y + dy) * wide + x + dx;
                    if (i >= n || j >= n) continue;
                    double total = c.total[y * MAX_SHIFTS + x - first];
                    out[max_i(place[i], place[j]) * n + min_i(place[i], place[j])] += total;
                }
            }
        }
    }
}
