/* What the walks over the planes of a tile share: contexts, cells, and symbols read and noted (docs/format.md, 9.6, 9.7). */
#ifndef RCZ_PLANE_CONTEXT_H
#define RCZ_PLANE_CONTEXT_H

#include "common.h"

#define CELLS 16
#define EDGE (CELLS + 2)
#define LAST_LOG 4095
#define MAX_LEVEL (1 << 14) /* of what contexts sum up, so that sums stay within 32 bits */
#define MAX_MAGNITUDE (1 << 28) /* before a plane; a file has 24 planes */
#define MAX_PLANE 64
#define CHUNK 256
#define MOST_COUNT 255 /* of the cells whose mean is taken */
#define N_LATE 18 /* number of the input that says whether a cell is new: the first after those of the phase */
#define MAX_ACTIVATION 1023
#define PAIR_SYMBOLS 9
#define KEPT 2 /* in exists: active in the last plane whatever it holds */
#define COLUMNS (PAIR_SYMBOLS + 1)
#define FLAG_LEVELS 5

#define LEVEL_FAR 5 /* rows to each side of the largest box over what was known before a plane, and within it */
#define RECENT_FAR 4

/* What is known of a tile in a plane, for the network: of blocks of h x w pairs that hold all active cells. */
typedef struct {
    int64_t h, w;
    int32_t *level, *sums[3];   /* [blocks][h][w]: G of the format, and sums of its boxes */
    int32_t *known, *recent[3]; /* Q of earlier phases, and sums of its boxes */
    int64_t *total, *over;      /* [h][w]: G and its first box over all blocks; then inputs 7 and 8 made of them */
    int64_t *share;             /* [blocks]: G over each block */
    int64_t everything;         /* the sum of share, at least 1 */
    int64_t *where;             /* pairs of a phase */
    uint64_t inverse[MOST_COUNT + 1]; /* ceil(2^32 / count) */
    int32_t *tmp, *cell_row, *cell_column;
    int32_t *columns1, *columns2, *nothing; /* [w]: columns of boxes that are within a block; zeros */
} context;

static int64_t where_size(int64_t blocks, int64_t h, int64_t w) { return blocks * h * (w / 2 + 1); }

static int64_t context_bytes(int64_t blocks, int64_t n, int64_t m) {
    if (blocks < 1 || n < 1 || m < 1 || n > 1 << 24 || m > 1 << 24 || blocks > 1 << 24) return -1;
    if (blocks * n > INT64_C(1) << 40 || blocks * n * m > INT64_C(1) << 36) return -1;
    int64_t size = blocks * n * m, bytes = 4 * 8 * size + 4 * n * m + 8 * 2 * n * m + 8 * blocks + 4 * (n + m);
    bytes += 8 * where_size(blocks, n, m) + 3 * 4 * m;
    return bytes + 32 * 64;
}

/* How many of i - r .. i + r are within 0 .. n - 1. */
static inline int64_t span(int64_t i, int64_t r, int64_t n) { return min_i(i + r, n - 1) - max_i(i - r, 0) + 1; }

static void lay_out(const rcz_plane *pl, context *c, int64_t h, int64_t w) {
    unsigned char *at = (unsigned char *)pl->scratch + (64 - (uintptr_t)pl->scratch % 64) % 64;
    int64_t size = 4 * pl->blocks * h * w;
    c->h = h;
    c->w = w;
    c->level = carve(&at, size);
    c->known = carve(&at, size);
    for (int t = 0; t < 3; t++) {
        c->sums[t] = carve(&at, size);
        c->recent[t] = carve(&at, size);
    }
    c->tmp = carve(&at, 4 * h * w);
    c->total = carve(&at, 8 * h * w);
    c->over = carve(&at, 8 * h * w);
    c->share = carve(&at, 8 * pl->blocks);
    c->where = carve(&at, 8 * where_size(pl->blocks, h, w));
    c->cell_row = carve(&at, 4 * pl->n);
    c->cell_column = carve(&at, 4 * pl->m);
    c->columns1 = carve(&at, 4 * w);
    c->columns2 = carve(&at, 4 * w);
    c->nothing = carve(&at, 4 * w);
    for (int64_t j = 0; j < w; j++) {
        c->columns1[j] = (int32_t)span(j, 1, pl->m);
        c->columns2[j] = (int32_t)span(j, 2, pl->m);
        c->nothing[j] = 0;
    }
    for (int64_t i = 0; i < pl->n; i++) c->cell_row[i] = (int32_t)(CELLS * i / pl->n);
    for (int64_t i = 0; i < pl->m; i++) c->cell_column[i] = (int32_t)(CELLS * i / pl->m);
}

/* Fill dst [h][w] with the sums of src over one or two columns to each side, zero outside. */
static void sum_columns(const int32_t *restrict src, int32_t *restrict dst, int64_t h, int64_t w, int64_t reach) {
    for (int64_t i = 0; i < h; i++, src += w, dst += w) {
        for (int64_t j = 0; j < w; j++) dst[j] = src[j];
        for (int64_t d = 1; d <= reach; d++) {
            int64_t edge = min_i(d, w);
            for (int64_t j = 0; j < w - edge; j++) dst[j] += src[j + d];
            for (int64_t j = edge; j < w; j++) dst[j] += src[j - d];
        }
    }
}

/* Fill dst [h][w] with the sums of src over some rows to each side, zero outside. */
static void sum_rows(const int32_t *restrict src, int32_t *restrict dst, int64_t h, int64_t w, int64_t reach) {
    for (int64_t j = 0; j < w; j++) dst[j] = 0;
    for (int64_t i = 0; i < min_i(reach + 1, h); i++)
        for (int64_t j = 0; j < w; j++) dst[j] += src[i * w + j];
    for (int64_t i = 1; i < h; i++) {
        int32_t *row = dst + i * w;
        const int32_t *above = row - w;
        if (i + reach < h && i > reach) {
            const int32_t *in = src + (i + reach) * w, *out = src + (i - reach - 1) * w;
            for (int64_t j = 0; j < w; j++) row[j] = above[j] + in[j] - out[j];
        } else if (i + reach < h) {
            const int32_t *in = src + (i + reach) * w;
            for (int64_t j = 0; j < w; j++) row[j] = above[j] + in[j];
        } else if (i > reach) {
            const int32_t *out = src + (i - reach - 1) * w;
            for (int64_t j = 0; j < w; j++) row[j] = above[j] - out[j];
        } else {
            for (int64_t j = 0; j < w; j++) row[j] = above[j];
        }
    }
}

/* Fill dst [3][h][w], from an offset, with the sums of src over boxes: 1 row and 1 column, 2 and 1, far and 2 to each side. */
static void box_sums(const int32_t *src, int32_t *const *dst, int64_t offset, int32_t *tmp, int64_t h, int64_t w,
                     int64_t far) {
    sum_columns(src, tmp, h, w, 1);
    sum_rows(tmp, dst[0] + offset, h, w, 1);
    sum_rows(tmp, dst[1] + offset, h, w, 2);
    sum_columns(src, tmp, h, w, 2);
    sum_rows(tmp, dst[2] + offset, h, w, far);
}

static inline int64_t phase_of(int64_t k, int64_t j, int64_t parity) {
    int64_t e = (k + parity) & 1, f = j & 1;
    return e == 0 && f == 0 ? 0 : e == 1 && f == 1 ? 1 : 2;
}

static inline int64_t parity_of(const rcz_plane *pl, int64_t b) { return (b / pl->columns + b % pl->columns) & 1; }

/* The mean of up to 255 numbers, rounded down; 0 of nothing and where it is negative. With inverse = ceil(2^32 / count) the
 * product is exact for totals under 2^32 / count, and contexts sum up less than 2^23. */
static inline int64_t mean_of(const uint64_t *inverse, int64_t total, int64_t count) {
    return (int64_t)((uint64_t)max_i(total, 0) * inverse[count] >> 32);
}

static inline int32_t log_of(const int32_t *logs, int64_t v) { return logs[clamp_i(v, 0, LAST_LOG)]; }

/* a / b, rounded down, of numbers that are not negative: exact for a under 2^51, where no quotient rounds up to an integer. */
static inline int64_t quotient(int64_t a, int64_t b) { return (int64_t)((double)a / (double)b); }

/* The context before a plane, without anything in the plane. Magnitudes beyond their range are a caller's error. */
static int32_t look_back(const rcz_plane *pl, context *c, const int32_t *logs) {
    int64_t h = c->h, w = c->w;
    for (int64_t i = 0; i < h * w; i++) c->total[i] = c->over[i] = 0;
    c->everything = 0;
    for (int64_t b = 0; b < pl->blocks; b++) {
        int32_t *level = c->level + b * h * w;
        c->share[b] = 0;
        for (int64_t k = 0; k < h; k++) {
            const int32_t *p = pl->p + ((b * pl->n + k) * pl->m) * 2;
            for (int64_t j = 0; j < w; j++) {
                int64_t p0 = p[2 * j], p1 = p[2 * j + 1];
                if (p0 < 0 || p1 < 0 || p0 > MAX_MAGNITUDE || p1 > MAX_MAGNITUDE) return RCZ_BAD_ARGUMENT;
                int64_t g = min_i(4 * (p0 + p1) + (p0 > 0) + (p1 > 0), MAX_LEVEL);
                level[k * w + j] = (int32_t)g;
                c->share[b] += g;
                c->total[k * w + j] += g;
            }
        }
        c->everything += c->share[b];
        box_sums(level, c->sums, b * h * w, c->tmp, h, w, LEVEL_FAR);
        for (int64_t i = 0; i < h * w; i++) c->over[i] += c->sums[0][b * h * w + i];
    }
    c->everything = max_i(c->everything, 1);
    for (int64_t k = 0; k < h; k++) {
        for (int64_t j = 0; j < w; j++) {
            int64_t cells = span(k, 1, pl->n) * span(j, 1, pl->m), at = k * w + j;
            c->total[at] = log_of(logs, quotient(4 * c->total[at], pl->blocks));
            c->over[at] = log_of(logs, quotient(4 * c->over[at], pl->blocks * cells));
        }
    }
    c->inverse[0] = 0;
    for (uint64_t i = 1; i <= MOST_COUNT; i++) c->inverse[i] = (((uint64_t)1 << 32) + i - 1) / i;
    for (int64_t i = 0; i < pl->blocks * h * w; i++)
        c->known[i] = c->recent[0][i] = c->recent[1][i] = c->recent[2][i] = 0;
    return RCZ_OK;
}

/* Number of pairs of a phase in active cells; their numbers go to where. */
static int64_t list_pairs(const rcz_plane *pl, context *c, int64_t phase) {
    int64_t found = 0;
    for (int64_t b = 0; b < pl->blocks; b++) {
        int64_t parity = parity_of(pl, b);
        for (int64_t k = 0; k < c->h; k++) {
            int64_t odd = (k + parity) & 1;
            if (phase < 2 && odd != phase) continue;
            const int32_t *active = pl->act + (c->cell_row[k] + 1) * EDGE + 1;
            for (int64_t j = phase < 2 ? odd : 1 - odd; j < c->w; j += 2)
                if (active[c->cell_column[j]] != 0) c->where[found++] = (b * pl->n + k) * pl->m + j;
        }
    }
    return found;
}

/* A row of a block, with the rows beside it in the blocks that touch the block at a side and at a corner. */
typedef struct {
    int64_t b, k, first;  /* block, row, and number of its first pair */
    int64_t parity, n_near, n_far;
    const int32_t *near[4], *near_sums[4], *near_known[4], *far[4]; /* rows of zeros where there is no block */
} row_around;

/* Find the row of a pair; the rows around it are those of level, sums and known. */
static void find_row(const rcz_plane *pl, const context *c, int64_t where, row_around *row) {
    int64_t rows = pl->blocks / pl->columns, area = c->h * c->w, line = where / pl->m;
    row->b = line / pl->n;
    row->k = line % pl->n;
    row->first = line * pl->m;
    row->parity = parity_of(pl, row->b);
    row->n_near = row->n_far = 0;
    for (int t = 0; t < 4; t++) row->near[t] = row->near_sums[t] = row->near_known[t] = row->far[t] = c->nothing;
    int64_t a = row->b / pl->columns, d = row->b % pl->columns;
    for (int64_t da = -1; da <= 1; da++) {
        for (int64_t dd = -1; dd <= 1; dd++) {
            if ((da == 0 && dd == 0) || a + da < 0 || a + da >= rows || d + dd < 0 || d + dd >= pl->columns) continue;
            int64_t at = ((a + da) * pl->columns + d + dd) * area + row->k * c->w;
            if (da != 0 && dd != 0) {
                row->far[row->n_far++] = c->level + at;
                continue;
            }
            row->near[row->n_near] = c->level + at;
            row->near_sums[row->n_near] = c->sums[0] + at;
            row->near_known[row->n_near++] = c->known + at;
        }
    }
}

/* Whether a pair, which comes after those of a row, is not in the row. */
static inline int is_past(const rcz_plane *pl, const row_around *row, int64_t where) {
    return where - row->first >= pl->m;
}

static inline int64_t sum_of(const int32_t *const *rows, int64_t j) {
    return (int64_t)rows[0][j] + rows[1][j] + rows[2][j] + rows[3][j];
}

/* Inputs are [inputs / 2][CHUNK][2]. */
static inline void put_input(int16_t *x, int64_t input, int64_t i, int64_t value) {
    x[(input / 2 * CHUNK + i) * 2 + input % 2] = (int16_t)value;
}

static void put_inputs(int16_t *x, int64_t input, int64_t value) {
    for (int64_t i = 0; i < CHUNK; i++) put_input(x, input, i, value);
}

/* Fill inputs 0 to 13 for pairs [count] of a phase, and late, which is 18 of the narrow network. */
static void fill_inputs(const rcz_plane *pl, const context *c, const int32_t *logs, int64_t phase, const int64_t *where,
                        int64_t count, int64_t late, int16_t *x) {
    int64_t n = pl->n, m = pl->m;
    const uint64_t *inverse = c->inverse;
    row_around row = {0};
    for (int64_t i = 0; i < count;) {
        find_row(pl, c, where[i], &row);
        int64_t k = row.k, at = k * c->w, here = row.b * c->h * c->w + at;
        int64_t rows1 = span(k, 1, n), rows2 = span(k, 2, n), rows5 = span(k, LEVEL_FAR, n);
        int64_t n_fresh = phase == 2 ? row.n_near : 0;
        int32_t block_level = log_of(logs, quotient(16 * pl->blocks * c->share[row.b], c->everything));
        const int32_t *level = c->level + here, *before = pl->before + (c->cell_row[k] + 1) * EDGE + 1;
        const int32_t *sums[3], *recent[3];
        const uint8_t *known[3];
        for (int64_t t = 0; t < 3; t++) {
            sums[t] = c->sums[t] + here;
            recent[t] = c->recent[t] + here;
            known[t] = pl->counts + (((row.parity * 3 + phase) * 3 + t) * n + k) * m;
        }
        for (; i < count && !is_past(pl, &row, where[i]); i++) {
            int64_t j = where[i] - row.first, columns1 = c->columns1[j], columns2 = c->columns2[j], g = level[j];
            put_input(x, 0, i, log_of(logs, 4 * g));
            put_input(x, 1, i, log_of(logs, mean_of(inverse, 4 * (sums[0][j] - g), rows1 * columns1 - 1)));
            put_input(x, 2, i, log_of(logs, mean_of(inverse, 4 * (sums[1][j] - g), rows2 * columns1 - 1)));
            put_input(x, 3, i, log_of(logs, mean_of(inverse, 4 * (sums[2][j] - g), rows5 * columns2 - 1)));
            put_input(x, 4, i, log_of(logs, mean_of(inverse, 4 * sum_of(row.near, j), row.n_near)));
            put_input(x, 5, i, log_of(logs, mean_of(inverse, 4 * sum_of(row.far, j), row.n_far)));
            int64_t around = 4 * sum_of(row.near_sums, j);
            put_input(x, 6, i, log_of(logs, mean_of(inverse, around, row.n_near * rows1 * columns1)));
            put_input(x, 7, i, c->total[at + j]);
            put_input(x, 8, i, c->over[at + j]);
            put_input(x, 9, i, block_level);
            for (int64_t t = 0; t < 3; t++)
                put_input(x, 10 + t, i, log_of(logs, mean_of(inverse, 8 * (int64_t)recent[t][j], known[t][j])));
            put_input(x, 13, i, log_of(logs, mean_of(inverse, 8 * sum_of(row.near_known, j), n_fresh)));
            put_input(x, late, i, before[c->cell_column[j]] == 0 ? 32 : 0);
        }
    }
}

/* Next symbol of the stream, read with a row of the tables. */
static inline int64_t pop(rcz_coder *coder, int64_t row) {
    uint32_t q = (uint32_t)(coder->state & 0xFFFFFF);
    const uint32_t *table = coder->cumulative + row * COLUMNS;
    int64_t k = 0;
    while (k < PAIR_SYMBOLS - 1 && table[k + 1] <= q) k++;
    uint64_t low = table[k], size = table[k + 1] - low;
    coder->state = (coder->state >> 24) * size + q - low;
    if (coder->state < (uint64_t)1 << 32 && coder->n_words > 0)
        coder->state = coder->state << 32 | coder->words[--coder->n_words];
    coder->n++;
    return k;
}

/* Note a symbol and the row of the tables that codes it. */
static inline int32_t push(rcz_coder *coder, int64_t row, int64_t symbol) {
    if (coder->n >= coder->capacity) return RCZ_NO_SPACE;
    coder->tables[coder->n] = (uint16_t)row;
    coder->symbols[coder->n++] = (uint8_t)symbol;
    return RCZ_OK;
}

/* Bring act from the plane before, which before keeps, to this plane. */
static int32_t walk_cells(int32_t mode, const rcz_plane *pl, const context *c, rcz_coder *coder, int64_t flag_rows) {
    uint8_t fresh[CELLS][CELLS] = {{0}};
    for (int64_t i = 0; i < EDGE * EDGE; i++) pl->before[i] = pl->act[i];
    if (mode != RCZ_DECODE) {
        const int32_t *q = pl->q;
        int64_t first[CELLS + 1];
        for (int64_t v = 0; v <= CELLS; v++) first[v] = 2 * ((v * pl->m + CELLS - 1) / CELLS);
        for (int64_t i = 0; i < CELLS * CELLS; i++) fresh[i / CELLS][i % CELLS] = pl->final && pl->exists[i] == KEPT;
        for (int64_t line = 0; line < pl->blocks * pl->n; line++, q += 2 * pl->m) {
            uint8_t *row = fresh[c->cell_row[line % pl->n]];
            for (int64_t v = 0; v < CELLS; v++) {
                if (row[v] != 0) continue;
                int32_t any = 0;
                for (int64_t j = first[v]; j < first[v + 1]; j++) any |= q[j];
                row[v] = any != 0;
            }
        }
    }
    int64_t row = flag_rows + clamp_i(pl->s, 0, 10) * FLAG_LEVELS;
    for (int64_t u = 0; u < CELLS; u++) {
        for (int64_t v = 0; v < CELLS; v++) {
            int64_t at = (u + 1) * EDGE + v + 1;
            if (pl->exists[u * CELLS + v] == 0 || pl->before[at] != 0) continue;
            int64_t t = pl->act[at - 1] + pl->act[at - EDGE] + pl->before[at + 1] + pl->before[at + EDGE];
            if (t < 0 || t >= FLAG_LEVELS) return RCZ_BAD_ARGUMENT;
            if (mode == RCZ_DECODE) {
                pl->act[at] = (int32_t)pop(coder, row + t);
            } else {
                pl->act[at] = fresh[u][v];
                if (mode == RCZ_CODE && push(coder, row + t, pl->act[at]) != RCZ_OK) return RCZ_NO_SPACE;
            }
        }
    }
    return RCZ_OK;
}

/* Rows and pair columns of a block that hold all active cells. */
static void find_extent(const rcz_plane *pl, int64_t *h, int64_t *w) {
    int64_t rows = 0, columns = 0;
    for (int64_t u = 0; u < CELLS; u++)
        for (int64_t v = 0; v < CELLS; v++)
            if (pl->act[(u + 1) * EDGE + v + 1] != 0) {
                rows = max_i(rows, u + 1);
                columns = max_i(columns, v + 1);
            }
    *h = min_i(pl->n, (rows * pl->n + CELLS - 1) / CELLS);
    *w = min_i(pl->m, (columns * pl->m + CELLS - 1) / CELLS);
}

static inline int64_t case_of(int64_t p, int64_t q, int64_t sign) {
    return p > 0 ? q - 2 * p : q == 0 ? 0 : sign > 0 ? 1 : 2;
}

#endif
