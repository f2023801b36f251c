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
#define CHUNK 128
#define BATCH 8 /* pairs that are copied at once */
#define STRIDE (CHUNK + BATCH) /* pairs from one input to the next: a last batch may run over */
#define LINE 16 /* rows are multiples of this long */
#define MARGIN 2 /* zeros at least at the end of a row, where the next one begins */
#define MAP_SLOTS 7 /* pairs of inputs that planes of both kinds of model have: 0 to 13 */
#define KNOWN_SLOT 5 /* the first of those of inputs 10 to 13 */
#define MEANS 6
#define COUNTS 4
#define SLACK 256 /* bytes, zeros, behind each array: what may be read beyond it, and before the next one */
#define MAX_ACTIVATION 1023
#define PAIR_SYMBOLS 9
#define N_BUCKETS 48
#define KEPT 2 /* in exists: active in the last plane whatever it holds */
#define COLUMNS (PAIR_SYMBOLS + 1)
#define FLAG_LEVELS 5

#define LEVEL_FAR 5 /* rows to each side of the largest box over what was known before a plane, and within it */
#define RECENT_FAR 4

/* What is known of a tile in a plane, for the network: of blocks of h x w pairs that hold all active cells. Rows are
 * [pitch] and end with zeros, so that loops run over whole blocks: what is beside a row is 0 as well. */
typedef struct {
    int64_t h, w, pitch, area;
    int32_t *level, *near;           /* [blocks][area]: G of the format, and sums of its first box */
    int32_t *known;                  /* Q of earlier phases */
    int32_t *slots[MAP_SLOTS];       /* two inputs each, from 0 on; of a row first the even columns, then the odd ones */
    int64_t *total, *over;           /* [area]: G and its first box over all blocks */
    int32_t *mean_total, *mean_over; /* [area]: inputs 7 and 8, made of them */
    int64_t *share;                  /* [blocks]: G over each block */
    int64_t everything;              /* the sum of share, at least 1 */
    int64_t *where;                  /* pairs of a phase */
    int32_t *near_columns, *wide_columns, *box[3], *means[MEANS]; /* [area]: sums over columns, boxes, means of a block */
    int32_t *counts[COUNTS], *known_counts[2][3]; /* [area]: pairs in boxes that are in a block; known ones, by parity */
    int32_t *cell_row, *cell_column, *nothing;    /* nothing: [area] zeros */
} context;

static int64_t where_size(int64_t blocks, int64_t h, int64_t w) { return blocks * h * (w / 2 + 1); }

static inline int64_t pitch_of(int64_t w) { return (w + MARGIN + LINE - 1) / LINE * LINE; }

static int64_t context_bytes(int64_t blocks, int64_t n, int64_t m) {
    if (blocks < 1 || n < 1 || m < 1 || n > 1 << 24 || m > 1 << 24 || blocks > 1 << 24) return -1;
    if (blocks * n > INT64_C(1) << 40 || blocks * n * m > INT64_C(1) << 36) return -1;
    int64_t area = n * pitch_of(m), size = blocks * area;
    int64_t bytes = (3 + MAP_SLOTS) * (4 * size + SLACK) + (14 + MEANS + COUNTS) * (4 * area + SLACK) + 2 * 8 * area;
    return bytes + 8 * blocks + 8 * where_size(blocks, n, m) + 4 * (n + m) + 64 * 64;
}

/* How many of i - r .. i + r are within 0 .. n - 1. */
static inline int64_t span(int64_t i, int64_t r, int64_t n) { return min_i(i + r, n - 1) - max_i(i - r, 0) + 1; }

/* Numbers of 32 bits with zeros before and behind them. */
static int32_t *carve_numbers(unsigned char **at, int64_t count) {
    int32_t *piece = carve(at, 4 * count + SLACK);
    memset(piece + count, 0, SLACK);
    return piece;
}

static void lay_out(const rcz_plane *pl, context *c, int64_t h, int64_t w) {
    unsigned char *at = (unsigned char *)pl->scratch + (64 - (uintptr_t)pl->scratch % 64) % 64;
    c->h = h;
    c->w = w;
    c->pitch = pitch_of(w);
    c->area = h * c->pitch;
    int64_t area = c->area, size = pl->blocks * area;
    c->nothing = carve_numbers(&at, area);
    memset(c->nothing, 0, (size_t)area * 4);
    c->level = carve_numbers(&at, size);
    c->near = carve_numbers(&at, size);
    c->known = carve_numbers(&at, size);
    for (int t = 0; t < MAP_SLOTS; t++) c->slots[t] = carve_numbers(&at, size);
    for (int t = 0; t < MEANS; t++) c->means[t] = carve_numbers(&at, area);
    for (int t = 0; t < COUNTS; t++) c->counts[t] = carve_numbers(&at, area);
    for (int t = 0; t < 3; t++) {
        c->box[t] = carve_numbers(&at, area);
        for (int parity = 0; parity < 2; parity++) c->known_counts[parity][t] = carve_numbers(&at, area);
    }
    c->mean_total = carve_numbers(&at, area);
    c->mean_over = carve_numbers(&at, area);
    c->near_columns = carve_numbers(&at, area);
    c->wide_columns = carve_numbers(&at, area);
    c->total = carve(&at, 8 * area);
    c->over = carve(&at, 8 * area);
    c->share = carve(&at, 8 * pl->blocks);
    c->where = carve(&at, 8 * where_size(pl->blocks, h, w));
    c->cell_row = carve(&at, 4 * pl->n);
    c->cell_column = carve(&at, 4 * pl->m);
    for (int64_t i = 0; i < pl->n; i++) c->cell_row[i] = (int32_t)(CELLS * i / pl->n);
    for (int64_t i = 0; i < pl->m; i++) c->cell_column[i] = (int32_t)(CELLS * i / pl->m);
}

/* Count the pairs of each box that are in a block: of the boxes of G without the pair itself, and of the first one with it. */
static void count_boxes(const rcz_plane *pl, context *c) {
    for (int64_t k = 0; k < c->h; k++) {
        int32_t rows1 = (int32_t)span(k, 1, pl->n), rows2 = (int32_t)span(k, 2, pl->n);
        int32_t rows5 = (int32_t)span(k, LEVEL_FAR, pl->n);
        for (int64_t j = 0; j < c->pitch; j++) {
            int64_t at = k * c->pitch + j;
            int32_t columns1 = j < c->w ? (int32_t)span(j, 1, pl->m) : 0;
            int32_t columns2 = j < c->w ? (int32_t)span(j, 2, pl->m) : 0;
            c->counts[0][at] = rows1 * columns1 - 1;
            c->counts[1][at] = rows2 * columns1 - 1;
            c->counts[2][at] = rows5 * columns2 - 1;
            c->counts[3][at] = rows1 * columns1;
        }
    }
}

/* Fill the sums of a block over one and over two columns to each side, zero outside. */
static void sum_columns(const context *c, const int32_t *restrict src) {
    int32_t *restrict near_to = c->near_columns, *restrict wide_to = c->wide_columns;
    for (int64_t i = 0; i < c->area; i++) {
        int32_t near = src[i - 1] + src[i] + src[i + 1];
        near_to[i] = near;
        wide_to[i] = near + src[i - 2] + src[i + 2];
    }
}

/* Fill dst [h][pitch] with the sums of src over some rows to each side, zero outside. */
static void sum_rows(const int32_t *restrict src, int32_t *restrict dst, int64_t h, int64_t pitch, int64_t reach) {
    int64_t first = min_i(reach + 1, h);
    for (int64_t j = 0; j < pitch; j++) dst[j] = src[j];
    for (int64_t i = 1; i < first; i++)
        for (int64_t j = 0; j < pitch; j++) dst[j] += src[i * pitch + j];
    for (int64_t i = 1; i < h; i++) {
        int32_t *row = dst + i * pitch;
        const int32_t *above = row - pitch;
        int has_in = i + reach < h, has_out = i > reach;
        const int32_t *in = src + (has_in ? i + reach : i) * pitch, *out = src + (has_out ? i - reach - 1 : i) * pitch;
        int32_t adds = has_in, drops = has_out;
        for (int64_t j = 0; j < pitch; j += LINE)
            for (int64_t t = j; t < j + LINE; t++) row[t] = above[t] + (in[t] & -adds) - (out[t] & -drops);
    }
}

static inline int64_t phase_of(int64_t k, int64_t j, int64_t parity) {
    int64_t e = (k + parity) & 1, f = j & 1;
    return e == 0 && f == 0 ? 0 : e == 1 && f == 1 ? 1 : 2;
}

static inline int64_t parity_of(const rcz_plane *pl, int64_t b) { return (b / pl->columns + b % pl->columns) & 1; }

static inline int32_t log_of(const int32_t *logs, int64_t v) { return logs[clamp_i(v, 0, LAST_LOG)]; }

/* a / b, rounded down, of numbers that are not negative: exact for a under 2^51, where no quotient rounds up to an integer. */
static inline int64_t quotient(int64_t a, int64_t b) { return (int64_t)((double)a / (double)b); }

/* Fill a row of levels [pitch] from the magnitudes of its pairs; give their sum, -1 where one is out of range. */
static int64_t fill_levels(const int32_t *restrict p, int64_t w, int64_t pitch, int32_t *restrict level) {
    uint32_t most = 0;
    int64_t sum = 0;
    for (int64_t j = 0; j < w; j++) {
        uint32_t p0 = (uint32_t)p[2 * j], p1 = (uint32_t)p[2 * j + 1];
        most = most > p0 ? most : p0;
        most = most > p1 ? most : p1;
        p0 = p0 < MAX_LEVEL ? p0 : MAX_LEVEL;
        p1 = p1 < MAX_LEVEL ? p1 : MAX_LEVEL;
        uint32_t g = 4 * (p0 + p1) + (p0 > 0) + (p1 > 0);
        level[j] = (int32_t)(g < MAX_LEVEL ? g : MAX_LEVEL);
        sum += level[j];
    }
    for (int64_t j = w; j < pitch; j++) level[j] = 0;
    return most > MAX_MAGNITUDE ? -1 : sum;
}

static inline int32_t within(int32_t v, int32_t most) { return v < 0 ? 0 : v > most ? most : v; }

/* The blocks that touch a block at a side, and at a corner. */
typedef struct {
    int64_t n_near, n_far;
    const int32_t *near[4], *near_sums[4], *near_known[4], *far[4]; /* [area]: zeros where there is no block */
} around_block;

static void find_around(const rcz_plane *pl, const context *c, int64_t b, around_block *around) {
    int64_t rows = pl->blocks / pl->columns, a = b / pl->columns, d = b % pl->columns;
    around->n_near = around->n_far = 0;
    for (int t = 0; t < 4; t++)
        around->near[t] = around->near_sums[t] = around->near_known[t] = around->far[t] = c->nothing;
    for (int64_t da = -1; da <= 1; da++) {
        for (int64_t dd = -1; dd <= 1; dd++) {
            if ((da == 0 && dd == 0) || a + da < 0 || a + da >= rows || d + dd < 0 || d + dd >= pl->columns) continue;
            int64_t at = ((a + da) * pl->columns + d + dd) * c->area;
            if (da != 0 && dd != 0) {
                around->far[around->n_far++] = c->level + at;
                continue;
            }
            around->near[around->n_near] = c->level + at;
            around->near_sums[around->n_near] = c->near + at;
            around->near_known[around->n_near++] = c->known + at;
        }
    }
}

/* Two numbers of 16 bits that follow each other in memory. */
static inline uint32_t two(int32_t first, int32_t second) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (uint32_t)first << 16 | (uint16_t)second;
#else
    return (uint32_t)second << 16 | (uint16_t)first;
#endif
}

/* The mean of a total that is not negative and under 2^23, rounded down, at most LAST_LOG; of nothing it is the total. With
 * 0.5 added to the total, no quotient in single precision is nearer to the next integer than to where it belongs. */
static inline int32_t mean_of(int32_t total, int32_t count) {
    return within((int32_t)(((float)total + 0.5f) / (float)(count > 1 ? count : 1)), LAST_LOG);
}

/* The means [area] of a factor times a box, or of what it has beside the pair itself. */
static void box_means(int64_t area, const int32_t *restrict box, const int32_t *restrict own, int32_t factor,
                      const int32_t *restrict counts, int32_t *restrict to) {
    for (int64_t i = 0; i < area; i++) to[i] = mean_of(factor * (box[i] - own[i]), counts[i]);
}

/* The means [area] of a factor times four blocks; counts are those of each, and there are so many. */
static void block_means(int64_t area, const int32_t *const *blocks, int32_t factor, const int32_t *restrict counts,
                        int32_t times, int32_t *restrict to) {
    const int32_t *restrict a = blocks[0], *restrict b = blocks[1], *restrict d = blocks[2], *restrict e = blocks[3];
    if (counts == NULL)
        for (int64_t i = 0; i < area; i++) to[i] = mean_of(factor * (a[i] + b[i] + d[i] + e[i]), times);
    else
        for (int64_t i = 0; i < area; i++) to[i] = mean_of(factor * (a[i] + b[i] + d[i] + e[i]), times * counts[i]);
}

/* Where a column is in a row of slots. */
static inline int64_t slot_column(const context *c, int64_t j) { return (j & 1) * (c->pitch / 2) + j / 2; }

/* Fill the slots of inputs 0 to 9 of a block: what was known before the plane. */
static void put_levels(const rcz_plane *pl, context *c, const int32_t *logs, int64_t b) {
    around_block around;
    const int32_t *level = c->level + b * c->area, *first = c->near + b * c->area;
    int32_t *const *means = c->means, share = log_of(logs, quotient(16 * pl->blocks * c->share[b], c->everything));
    find_around(pl, c, b, &around);
    sum_columns(c, level);
    sum_rows(c->near_columns, c->box[1], c->h, c->pitch, 2);
    sum_rows(c->wide_columns, c->box[2], c->h, c->pitch, LEVEL_FAR);
    box_means(c->area, first, level, 4, c->counts[0], means[0]);
    box_means(c->area, c->box[1], level, 4, c->counts[1], means[1]);
    box_means(c->area, c->box[2], level, 4, c->counts[2], means[2]);
    block_means(c->area, around.near, 4, NULL, (int32_t)around.n_near, means[3]);
    block_means(c->area, around.far, 4, NULL, (int32_t)around.n_far, means[4]);
    block_means(c->area, around.near_sums, 4, c->counts[3], (int32_t)around.n_near, means[5]);
    for (int64_t k = 0; k < c->h; k++)
        for (int64_t j = 0; j < c->w; j++) {
            int64_t at = k * c->pitch + j, to = b * c->area + k * c->pitch + slot_column(c, j);
            c->slots[0][to] = (int32_t)two(log_of(logs, 4 * (int64_t)level[at]), logs[means[0][at]]);
            c->slots[1][to] = (int32_t)two(logs[means[1][at]], logs[means[2][at]]);
            c->slots[2][to] = (int32_t)two(logs[means[3][at]], logs[means[4][at]]);
            c->slots[3][to] = (int32_t)two(logs[means[5][at]], c->mean_total[at]);
            c->slots[4][to] = (int32_t)two(c->mean_over[at], share);
        }
}

/* Fill the slots of inputs 10 to 13 of the pairs of a phase in a block: what is known of the plane. */
static void put_known(const rcz_plane *pl, context *c, const int32_t *logs, int64_t phase, int64_t b) {
    around_block around;
    int64_t parity = parity_of(pl, b);
    int32_t *const *means = c->means;
    find_around(pl, c, b, &around);
    sum_columns(c, c->known + b * c->area);
    sum_rows(c->near_columns, c->box[0], c->h, c->pitch, 1);
    sum_rows(c->near_columns, c->box[1], c->h, c->pitch, 2);
    sum_rows(c->wide_columns, c->box[2], c->h, c->pitch, RECENT_FAR);
    for (int64_t s = 0; s < 3; s++)
        box_means(c->area, c->box[s], c->nothing, 8, c->known_counts[parity][s], means[s]);
    block_means(c->area, around.near_known, phase == 2 ? 8 : 0, NULL, (int32_t)around.n_near, means[3]);
    for (int64_t k = 0; k < c->h; k++) {
        int64_t odd = (k + parity) & 1;
        if (phase == 1 && odd == 0) continue;
        for (int64_t j = phase == 1 ? 1 : 1 - odd; j < c->w; j += 2) {
            int64_t at = k * c->pitch + j, to = b * c->area + k * c->pitch + slot_column(c, j);
            c->slots[KNOWN_SLOT][to] = (int32_t)two(logs[means[0][at]], logs[means[1][at]]);
            c->slots[KNOWN_SLOT + 1][to] = (int32_t)two(logs[means[2][at]], logs[means[3][at]]);
        }
    }
}

/* Sum up G of all blocks, and its first box. */
static void look_over(const rcz_plane *pl, context *c, const int32_t *logs) {
    for (int64_t i = 0; i < c->area; i++) c->total[i] = c->over[i] = 0;
    for (int64_t b = 0; b < pl->blocks; b++) {
        const int32_t *restrict level = c->level + b * c->area;
        int32_t *restrict near = c->near + b * c->area;
        int64_t *restrict total = c->total, *restrict over = c->over;
        sum_columns(c, level);
        sum_rows(c->near_columns, near, c->h, c->pitch, 1);
        for (int64_t i = 0; i < c->area; i++) total[i] += level[i];
        for (int64_t i = 0; i < c->area; i++) over[i] += near[i];
    }
    for (int64_t k = 0; k < c->h; k++) {
        for (int64_t j = 0; j < c->w; j++) {
            int64_t at = k * c->pitch + j;
            c->mean_total[at] = log_of(logs, quotient(4 * c->total[at], pl->blocks));
            c->mean_over[at] = log_of(logs, quotient(4 * c->over[at], pl->blocks * c->counts[3][at]));
        }
    }
}

/* The context before a plane, without anything in the plane. Magnitudes beyond their range are a caller's error. */
static int32_t look_back(const rcz_plane *pl, context *c, const int32_t *logs) {
    c->everything = 0;
    for (int64_t b = 0; b < pl->blocks; b++) {
        int32_t *level = c->level + b * c->area;
        c->share[b] = 0;
        for (int64_t k = 0; k < c->h; k++) {
            int64_t sum = fill_levels(pl->p + ((b * pl->n + k) * pl->m) * 2, c->w, c->pitch, level + k * c->pitch);
            if (sum < 0) return RCZ_BAD_ARGUMENT;
            c->share[b] += sum;
        }
        c->everything += c->share[b];
    }
    c->everything = max_i(c->everything, 1);
    count_boxes(pl, c);
    look_over(pl, c, logs);
    for (int64_t b = 0; b < pl->blocks; b++) put_levels(pl, c, logs, b);
    memset(c->known, 0, (size_t)(pl->blocks * c->area) * 4);
    return RCZ_OK;
}

/* Fill known of a row. With codebooks [blocks][n][m][2], in halves of steps, as those of a last plane are half a step
 * apart. */
static void fill_known(const rcz_plane *pl, context *c, int64_t b, int64_t k, int64_t odd, const int8_t *book) {
    int64_t row = (b * pl->n + k) * pl->m * 2;
    const int32_t *q = pl->q + row;
    int32_t *known = c->known + (b * c->h + k) * c->pitch;
    for (int64_t j = odd; j < c->w; j += 2) {
        int32_t q0 = within(q[2 * j], MAX_LEVEL), q1 = within(q[2 * j + 1], MAX_LEVEL), sum = q0 + q1;
        if (book != NULL) {
            sum *= 2;
            if (pl->final) sum -= (q0 > 0 ? book[row + 2 * j] : 0) + (q1 > 0 ? book[row + 2 * j + 1] : 0);
        }
        known[j] = within(sum, MAX_LEVEL);
    }
}

/* Bring known and the inputs made of it up to date with the phases of the plane before one. */
static void look_at(const rcz_plane *pl, context *c, const int32_t *logs, int64_t phase, const int8_t *book) {
    for (int64_t parity = 0; parity < (pl->blocks > 1 ? 2 : 1); parity++)
        for (int64_t s = 0; s < 3; s++) {
            const uint8_t *counts = pl->counts + ((parity * 3 + phase) * 3 + s) * pl->n * pl->m;
            int32_t *to = c->known_counts[parity][s];
            for (int64_t k = 0; k < c->h; k++)
                for (int64_t j = 0; j < c->pitch; j++) to[k * c->pitch + j] = j < c->w ? counts[k * pl->m + j] : 0;
        }
    for (int64_t b = 0; b < pl->blocks; b++)
        for (int64_t k = 0; k < c->h; k++) {
            int64_t odd = (k + parity_of(pl, b)) & 1;
            if (odd < phase) fill_known(pl, c, b, k, odd, book);
        }
    for (int64_t b = 0; b < pl->blocks; b++) put_known(pl, c, logs, phase, b);
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

/* The row of pairs that are looked at one after the other. */
typedef struct {
    int64_t b, k, first; /* block, row, and number of its first pair */
} place;

static inline void find_place(const rcz_plane *pl, int64_t where, place *row) {
    int64_t line = where / pl->m;
    row->b = line / pl->n;
    row->k = line % pl->n;
    row->first = line * pl->m;
}

/* How many of the pairs [count], at most a batch, follow each other in a row at every other column. */
static inline int64_t run_of(const rcz_plane *pl, const place *row, const int64_t *where, int64_t count) {
    int64_t n = 1, most = min_i(min_i(BATCH, count), (row->first + pl->m - where[0] + 1) / 2);
    while (n < most && where[n] == where[0] + 2 * n) n++;
    return n;
}

/* Copy the inputs 0 to 13 of a batch from column j of a row on to chunks of slots; those of phase 0 stay as they are. */
static inline void copy_slots(const context *c, const place *row, int64_t j, int64_t phase, int64_t i, int16_t *x) {
    int64_t from = (row->b * c->h + row->k) * c->pitch + (j & 1) * (c->pitch / 2) + j / 2;
    for (int64_t s = 0; s < (phase > 0 ? MAP_SLOTS : KNOWN_SLOT); s++)
        memcpy(x + (s * STRIDE + i) * 2, c->slots[s] + from, 4 * BATCH);
}

/* Fill a slot for all pairs. */
static void put_all(int16_t *x, int64_t slot, int64_t first, int64_t second) {
    uint32_t both = two((int32_t)first, (int32_t)second);
    for (int64_t i = 0; i < STRIDE; i++) memcpy(x + (slot * STRIDE + i) * 2, &both, sizeof both);
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

/* The bucket that a network's output stands for: floor((out / 2 + 160) * 48 / 208), within its range. */
static inline int32_t bucket_of(int32_t out) { return within((3 * within((out >> 1) + 160, 208)) / 13, N_BUCKETS - 1); }

static inline int64_t case_of(int64_t p, int64_t q, int64_t sign) {
    return p > 0 ? q - 2 * p : q == 0 ? 0 : sign > 0 ? 1 : 2;
}

#endif
