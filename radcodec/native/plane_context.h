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
#define N_INPUTS 21
#define N_HIDDEN 16
#define MAX_ACTIVATION 1023
#define PAIR_SYMBOLS 9
#define KEPT 2 /* in exists: active in the last plane whatever it holds */
#define COLUMNS (PAIR_SYMBOLS + 1)
#define FLAG_LEVELS 5

static const int64_t LEVEL_BOXES[3][2] = {{1, 1}, {2, 1}, {5, 2}};
static const int64_t RECENT_BOXES[3][2] = {{1, 1}, {2, 1}, {4, 2}};

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
    int32_t *x, *one, *two, *three, *bucket; /* inputs and layers [..][CHUNK] */
} context;

static int64_t where_size(int64_t blocks, int64_t h, int64_t w) { return blocks * h * (w / 2 + 1); }

static int64_t context_bytes(int64_t blocks, int64_t n, int64_t m) {
    if (blocks < 1 || n < 1 || m < 1 || n > 1 << 24 || m > 1 << 24 || blocks > 1 << 24) return -1;
    if (blocks * n > INT64_C(1) << 40 || blocks * n * m > INT64_C(1) << 36) return -1;
    int64_t size = blocks * n * m, bytes = 4 * 8 * size + 4 * n * m + 8 * 2 * n * m + 8 * blocks + 4 * (n + m);
    bytes += 8 * where_size(blocks, n, m) + 4 * CHUNK * (N_INPUTS + 2 * N_HIDDEN + 2);
    return bytes + 32 * 64;
}

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
    c->x = carve(&at, 4 * N_INPUTS * CHUNK);
    c->one = carve(&at, 4 * N_HIDDEN * CHUNK);
    c->two = carve(&at, 4 * N_HIDDEN * CHUNK);
    c->three = carve(&at, 4 * CHUNK);
    c->bucket = carve(&at, 4 * CHUNK);
    for (int64_t i = 0; i < pl->n; i++) c->cell_row[i] = (int32_t)(CELLS * i / pl->n);
    for (int64_t i = 0; i < pl->m; i++) c->cell_column[i] = (int32_t)(CELLS * i / pl->m);
}

/* Fill dst [h][w] with the sums of src over r rows and t columns to each side, zero outside. */
static void box_sums(const int32_t *src, int32_t *dst, int32_t *tmp, int64_t h, int64_t w, const int64_t reach[2]) {
    int64_t r = reach[0], t = reach[1];
    for (int64_t i = 0; i < h; i++) {
        const int32_t *restrict from = src + i * w;
        int32_t *restrict to = tmp + i * w;
        for (int64_t j = 0; j < w; j++) to[j] = from[j];
        for (int64_t d = 1; d <= t; d++) {
            for (int64_t j = 0; j < w - d; j++) to[j] += from[j + d];
            for (int64_t j = d; j < w; j++) to[j] += from[j - d];
        }
    }
    for (int64_t j = 0; j < w; j++) dst[j] = 0;
    for (int64_t i = 0; i < min_i(r + 1, h); i++)
        for (int64_t j = 0; j < w; j++) dst[j] += tmp[i * w + j];
    for (int64_t i = 1; i < h; i++) {
        int32_t *restrict row = dst + i * w;
        const int32_t *above = dst + (i - 1) * w;
        for (int64_t j = 0; j < w; j++) row[j] = above[j];
        if (i + r < h)
            for (int64_t j = 0; j < w; j++) row[j] += tmp[(i + r) * w + j];
        if (i - r - 1 >= 0)
            for (int64_t j = 0; j < w; j++) row[j] -= tmp[(i - r - 1) * w + j];
    }
}

/* How many of i - r .. i + r are within 0 .. n - 1. */
static inline int64_t span(int64_t i, int64_t r, int64_t n) { return min_i(i + r, n - 1) - max_i(i - r, 0) + 1; }

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
        for (int t = 0; t < 3; t++) box_sums(level, c->sums[t] + b * h * w, c->tmp, h, w, LEVEL_BOXES[t]);
        for (int64_t i = 0; i < h * w; i++) c->over[i] += c->sums[0][b * h * w + i];
    }
    c->everything = max_i(c->everything, 1);
    for (int64_t k = 0; k < h; k++) {
        for (int64_t j = 0; j < w; j++) {
            int64_t cells = span(k, 1, pl->n) * span(j, 1, pl->m), at = k * w + j;
            c->total[at] = log_of(logs, 4 * c->total[at] / pl->blocks);
            c->over[at] = log_of(logs, 4 * c->over[at] / (pl->blocks * cells));
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

/* The blocks that touch a block at a side and at a corner. */
typedef struct {
    int64_t near[4], far[4], n_near, n_far;
} neighbours;

static void find_neighbours(const rcz_plane *pl, int64_t b, neighbours *out) {
    int64_t rows = pl->blocks / pl->columns, a = b / pl->columns, c = b % pl->columns;
    out->n_near = out->n_far = 0;
    for (int64_t da = -1; da <= 1; da++) {
        for (int64_t dc = -1; dc <= 1; dc++) {
            if ((da == 0 && dc == 0) || a + da < 0 || a + da >= rows || c + dc < 0 || c + dc >= pl->columns) continue;
            int64_t other = (a + da) * pl->columns + c + dc;
            if (da != 0 && dc != 0)
                out->far[out->n_far++] = other;
            else
                out->near[out->n_near++] = other;
        }
    }
}

/* Fill inputs 0 to 13 and 18 for pairs [count] of a phase. */
static void fill_inputs(const rcz_plane *pl, context *c, const int32_t *logs, int64_t phase, const int64_t *where,
                        int64_t count) {
    int64_t n = pl->n, m = pl->m, area = c->h * c->w, parity = 0, b = -1, k = 0, row = 0;
    int64_t rows1 = 0, rows2 = 0, rows5 = 0;
    const uint64_t *inverse = c->inverse;
    int32_t block_level = logs[0];
    neighbours around_block = {.n_near = 0, .n_far = 0};
    for (int64_t i = 0; i < count; i++) {
        if (b < 0 || where[i] - row >= m) { /* pairs come row by row */
            int64_t block = where[i] / (n * m);
            k = where[i] / m % n;
            row = (block * n + k) * m;
            rows1 = span(k, 1, n);
            rows2 = span(k, 2, n);
            rows5 = span(k, 5, n);
            if (block != b) {
                b = block;
                parity = parity_of(pl, b);
                block_level = log_of(logs, 16 * pl->blocks * c->share[b] / c->everything);
                find_neighbours(pl, b, &around_block);
            }
        }
        int64_t j = where[i] - row;
        int64_t columns1 = span(j, 1, m), columns2 = span(j, 2, m), at = k * c->w + j, here = b * area + at;
        int64_t g = c->level[here], near = 0, far = 0, around = 0, fresh = 0;
        for (int64_t t = 0; t < around_block.n_near; t++) {
            int64_t other = around_block.near[t] * area + at;
            near += c->level[other];
            around += c->sums[0][other];
            fresh += c->known[other];
        }
        for (int64_t t = 0; t < around_block.n_far; t++) far += c->level[around_block.far[t] * area + at];
        int64_t n_near = around_block.n_near;
        int32_t *x = c->x + i;
        x[0 * CHUNK] = log_of(logs, 4 * g);
        x[1 * CHUNK] = log_of(logs, mean_of(inverse, 4 * (c->sums[0][here] - g), rows1 * columns1 - 1));
        x[2 * CHUNK] = log_of(logs, mean_of(inverse, 4 * (c->sums[1][here] - g), rows2 * columns1 - 1));
        x[3 * CHUNK] = log_of(logs, mean_of(inverse, 4 * (c->sums[2][here] - g), rows5 * columns2 - 1));
        x[4 * CHUNK] = log_of(logs, mean_of(inverse, 4 * near, n_near));
        x[5 * CHUNK] = log_of(logs, mean_of(inverse, 4 * far, around_block.n_far));
        x[6 * CHUNK] = log_of(logs, mean_of(inverse, 4 * around, n_near * rows1 * columns1));
        x[7 * CHUNK] = (int32_t)c->total[at];
        x[8 * CHUNK] = (int32_t)c->over[at];
        x[9 * CHUNK] = block_level;
        for (int64_t t = 0; t < 3; t++) {
            int64_t known = pl->counts[(((parity * 3 + phase) * 3 + t) * n + k) * m + j];
            x[(10 + t) * CHUNK] = log_of(logs, mean_of(inverse, 8 * (int64_t)c->recent[t][here], known));
        }
        x[13 * CHUNK] = log_of(logs, mean_of(inverse, 8 * fresh, phase == 2 ? n_near : 0));
        x[18 * CHUNK] = pl->before[(c->cell_row[k] + 1) * EDGE + c->cell_column[j] + 1] == 0 ? 32 : 0;
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
        for (int64_t i = 0; i < CELLS * CELLS; i++) fresh[i / CELLS][i % CELLS] = pl->final && pl->exists[i] == KEPT;
        for (int64_t b = 0; b < pl->blocks; b++)
            for (int64_t k = 0; k < pl->n; k++)
                for (int64_t j = 0; j < pl->m; j++, q += 2)
                    if (q[0] != 0 || q[1] != 0) fresh[c->cell_row[k]][c->cell_column[j]] = 1;
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

static void fill_row(int32_t *x, int64_t row, int32_t value) {
    for (int64_t i = 0; i < CHUNK; i++) x[row * CHUNK + i] = value;
}

#endif
