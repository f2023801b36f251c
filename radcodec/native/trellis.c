/* One plane of a tile of a trellis model: wide contexts, two codebooks that a trellis chooses (docs/format.md, 9.11).
 *
 * The walk is that of planes.c. In the last plane the parity of each magnitude moves a state of eight on, and the state says
 * which codebook the next coefficient has. The search finds the path of least cost (Viterbi 1967,
 * doi:10.1109/TIT.1967.1054010) phase by phase, so that the contexts of a phase are those of what was chosen before.
 */
#include "plane_context.h"
#include "wide_layer.h"

#define WIDE_INPUTS 44
#define WIDE_HIDDEN 32
#define LATE 16     /* input of N_LATE: there are none of the phase */
#define N_SHARED 20 /* inputs before those of the 24 pairs around */
#define REACH 2
#define N_Z 48
#define N_U 16
#define RANKS 3
#define CLASSES 5 /* of codebooks: 4 of a pair in the last plane, then all other planes */
#define POINT_CLASSES 6
#define CANDIDATES 4
#define ZN_AT (CLASSES * N_Z)
#define NN_AT (ZN_AT + CLASSES * 2 * N_Z * RANKS)
#define FLAGS_AT (NN_AT + CLASSES * N_U * RANKS * RANKS)
#define TRELLIS_ROWS (FLAGS_AT + 11 * FLAG_LEVELS)
#define NEVER 1e30f

/* State after a coefficient of even and of odd magnitude; the codebook of a state is state & 1. */
static const uint8_t NEXT[8][2] = {{0, 1}, {3, 2}, {5, 4}, {6, 7}, {1, 0}, {2, 3}, {4, 5}, {7, 6}};

typedef struct {
    context shared;
    int16_t *best; /* [blocks][h + 4][w + 4]: logarithm of the best that is known of a pair, in a margin */
    int8_t *book;  /* [blocks][n][m][2]: codebooks of the last plane */
    int16_t x[WIDE_INPUTS * CHUNK], one[WIDE_HIDDEN * CHUNK], two[WIDE_HIDDEN * CHUNK];
    int32_t out[4 * CHUNK], z[CHUNK], u[CHUNK];
} wide;

int64_t RCZ(trellis_bytes)(int64_t blocks, int64_t n, int64_t m) {
    int64_t shared = context_bytes(blocks, n, m);
    return shared < 0 ? -1 : shared + 2 * blocks * (n + 2 * REACH) * (m + 2 * REACH) + 2 * blocks * n * m + 64;
}

/* As look_at, in halves of steps: the codebooks of the last plane are half a step apart. */
static void look_at_halves(const rcz_plane *pl, wide *at, int64_t phase) {
    context *c = &at->shared;
    for (int64_t b = 0; b < pl->blocks; b++) {
        int64_t parity = parity_of(pl, b);
        int32_t *known = c->known + b * c->h * c->w;
        for (int64_t k = 0; k < c->h; k++) {
            int64_t row = (b * pl->n + k) * pl->m * 2;
            const int32_t *q = pl->q + row;
            const int8_t *book = at->book + row;
            for (int64_t j = 0; j < c->w; j++) {
                int64_t sum = 2 * (int64_t)q[2 * j] + 2 * (int64_t)q[2 * j + 1];
                if (pl->final) sum -= (q[2 * j] > 0 ? book[2 * j] : 0) + (q[2 * j + 1] > 0 ? book[2 * j + 1] : 0);
                known[k * c->w + j] = phase_of(k, j, parity) < phase ? (int32_t)min_i(sum, MAX_LEVEL) : 0;
            }
        }
        box_sums(known, c->recent, b * c->h * c->w, c->tmp, c->h, c->w, RECENT_FAR);
    }
}

/* Fill best for a phase: known pairs have 4 Q, others 4 G. */
static void look_around(const rcz_plane *pl, wide *at, const int32_t *logs, int64_t phase) {
    const context *c = &at->shared;
    int64_t w = c->w + 2 * REACH, area = (c->h + 2 * REACH) * w;
    int16_t nothing = (int16_t)logs[0];
    for (int64_t b = 0; b < pl->blocks; b++) {
        int16_t *to = at->best + b * area;
        int64_t parity = parity_of(pl, b);
        for (int64_t i = 0; i < area; i++) to[i] = nothing;
        for (int64_t k = 0; k < c->h; k++)
            for (int64_t j = 0; j < c->w; j++) {
                int64_t here = (b * c->h + k) * c->w + j, known = phase_of(k, j, parity) < phase;
                to[(k + REACH) * w + j + REACH] =
                    (int16_t)log_of(logs, 4 * (int64_t)(known ? c->known[here] : c->level[here]));
            }
    }
}

/* Fill the inputs from 19 on for pairs [count] of a phase: the pair's larger magnitude, and the pairs around. */
static void widen(const rcz_plane *pl, wide *at, const int32_t *logs, const int64_t *where, int64_t count) {
    const context *c = &at->shared;
    int64_t w = c->w + 2 * REACH, area = (c->h + 2 * REACH) * w;
    for (int64_t i = 0; i < count;) {
        int64_t line = where[i] / pl->m, b = line / pl->n, k = line % pl->n, first = line * pl->m;
        const int16_t *row = at->best + b * area + k * w;
        for (; i < count && where[i] - first < pl->m; i++) {
            const int32_t *p = pl->p + 2 * where[i];
            const int16_t *best = row + (where[i] - first);
            int64_t f = N_SHARED;
            put_input(at->x, f - 1, i, log_of(logs, 16 * max_i(p[0], p[1])));
            for (int64_t dk = 0; dk <= 2 * REACH; dk++)
                for (int64_t dj = 0; dj <= 2 * REACH; dj++)
                    if (dk != REACH || dj != REACH) put_input(at->x, f++, i, best[dk * w + dj]);
        }
    }
}

/* Fill z and u, the buckets of zeros and of others. */
static void run_wide(const rcz_wide *net, wide *at, int64_t phase, int64_t count) {
    const int32_t *shift = net->shifts + 3 * phase;
    hidden_layer(at->x, count, net->weight0 + phase * WIDE_HIDDEN * WIDE_INPUTS, net->bias0 + phase * WIDE_HIDDEN,
                 shift[0], WIDE_INPUTS, WIDE_HIDDEN, at->one);
    hidden_layer(at->one, count, net->weight1 + phase * WIDE_HIDDEN * WIDE_HIDDEN, net->bias1 + phase * WIDE_HIDDEN,
                 shift[1], WIDE_HIDDEN, WIDE_HIDDEN, at->two);
    four_rows(at->two, count, net->weight2 + phase * 2 * WIDE_HIDDEN, net->bias2 + phase * 2, shift[2], WIDE_HIDDEN, 2,
              at->out);
    for (int64_t i = 0; i < count; i++) {
        int64_t zero = floor_div((((int64_t)at->out[i] >> 1) + 160) * N_Z, 208);
        at->z[i] = (int32_t)clamp_i(zero, 0, N_Z - 1);
        at->u[i] = (int32_t)clamp_i((((int64_t)at->out[CHUNK + i] >> 1) + 64) >> 3, 0, N_U - 1);
    }
}

static inline int64_t rank_of(int64_t p) { return min_i(p, RANKS) - 1; }

/* Row of the table of a pair with magnitudes p0, p1 so far. */
static inline int64_t trellis_row(int64_t class, int64_t z, int64_t u, int64_t p0, int64_t p1) {
    if (p0 == 0 && p1 == 0) return class * N_Z + z;
    if (p0 == 0) return ZN_AT + ((class * 2 * N_Z) + z) * RANKS + rank_of(p1);
    if (p1 == 0) return ZN_AT + (((class * 2 + 1) * N_Z) + z) * RANKS + rank_of(p0);
    return NN_AT + ((class * N_U + u) * RANKS + rank_of(p0)) * RANKS + rank_of(p1);
}

/* The codebooks of a pair whose first coefficient finds a state: its own, and the second's after an even one. */
static inline int64_t class_of(int64_t final, int64_t state) {
    return final ? (state & 1) + 2 * (NEXT[state][0] & 1) : CLASSES - 1;
}

/* Magnitude in 64ths of a step that an index of a codebook stands for. */
static inline int32_t value_of(const rcz_wide *net, int64_t codebook, int64_t z, int64_t q) {
    if (q == 0) return 0;
    int64_t point = net->points[(codebook * POINT_CLASSES + z / (N_Z / POINT_CLASSES)) * RANKS + rank_of(q)];
    return (int32_t)(64 * q - 32 * codebook + point);
}

/* Code or read pairs [count], and find their values in the last plane. */
static int32_t transfer(int32_t mode, const rcz_plane *pl, const rcz_wide *net, rcz_coder *coder, wide *at,
                        const int64_t *where, int64_t count, int64_t *state, int32_t *values) {
    for (int64_t i = 0; i < count; i++) {
        int64_t here = 2 * where[i], p0 = pl->p[here], p1 = pl->p[here + 1], y[2];
        int64_t row = trellis_row(class_of(pl->final, *state), at->z[i], at->u[i], p0, p1);
        int64_t base = p0 == 0 && p1 == 0 ? 3 : 2, turned = p0 > 0 && p1 == 0;
        if (mode == RCZ_CODE) {
            y[0] = case_of(p0, pl->q[here], pl->sign[here]);
            y[1] = case_of(p1, pl->q[here + 1], pl->sign[here + 1]);
            if (push(coder, row, base * y[turned] + y[1 - turned]) != RCZ_OK) return RCZ_NO_SPACE;
        } else {
            int64_t symbol = pop(coder, row);
            y[turned] = symbol / base;
            y[1 - turned] = symbol % base;
            for (int64_t t = 0; t < 2; t++) {
                if (pl->p[here + t] > 0) {
                    pl->q[here + t] = (int32_t)(2 * (int64_t)pl->p[here + t] + y[t]);
                } else if (y[t] > 0) {
                    pl->q[here + t] = 1;
                    pl->sign[here + t] = y[t] == 1 ? 1 : -1;
                }
            }
        }
        if (!pl->final) continue;
        for (int64_t t = 0; t < 2; t++) {
            at->book[here + t] = (int8_t)(*state & 1);
            if (values != NULL) values[here + t] = value_of(net, *state & 1, at->z[i], pl->q[here + t]);
            *state = NEXT[*state][pl->q[here + t] & 1];
        }
    }
    return RCZ_OK;
}

static inline int64_t first_candidate(float target) { return max_i((int64_t)target - 1, 0); }

static inline float bits_of_plane(const rcz_search *s, int64_t book, int64_t other, int64_t z, int64_t u, int64_t q) {
    if (q < 2) return (q == 0 ? s->zero : s->one)[(book * 2 + other) * N_Z + z];
    return s->refine[((book * N_U + u) * RANKS + rank_of(q >> 1)) * 2 + (q & 1)];
}

/* Add the bits of a plane above the last one. */
static void add_bits(const rcz_plane *pl, rcz_search *s, const wide *at, const int64_t *where, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        for (int64_t t = 0; t < 2; t++) {
            int64_t here = 2 * where[i] + t, other = pl->p[2 * where[i] + 1 - t] > 0;
            int64_t first = first_candidate(s->target[here]);
            for (int64_t k = 0; k < CANDIDATES; k++)
                s->bits[here * CANDIDATES + k] +=
                    bits_of_plane(s, 2, other, at->z[i], at->u[i], (first + k) >> pl->shift);
        }
}

/* The paths that are still possible. */
typedef struct {
    float cost[8];
    int64_t length;
    int64_t most[CELLS][CELLS]; /* magnitudes that cells may have */
} paths;

/* Move what all paths have spent to the sum, so that single precision is enough; give the best path's state. */
static int64_t settle(rcz_search *s, paths *path) {
    int64_t best = 0;
    for (int64_t v = 1; v < 8; v++)
        if (path->cost[v] < path->cost[best]) best = v;
    float base = path->cost[best];
    s->spent += (double)base;
    for (int64_t v = 0; v < 8; v++) path->cost[v] -= base;
    return best;
}

/* Take the paths over pairs [count] of the last plane. */
static void extend(const rcz_plane *pl, const rcz_wide *net, rcz_search *s, const wide *at, const int64_t *where,
                   int64_t count, paths *path) {
    int64_t line = -1;
    const int64_t *row = path->most[0];
    for (int64_t i = 0; i < count; i++) {
        if (line < 0 || where[i] - line * pl->m >= pl->m) {
            line = where[i] / pl->m;
            row = path->most[at->shared.cell_row[line % pl->n]];
        }
        for (int64_t t = 0; t < 2; t++) {
            int64_t here = 2 * where[i] + t, other = pl->p[2 * where[i] + 1 - t] > 0;
            float target = s->target[here], least[2][2] = {{NEVER, NEVER}, {NEVER, NEVER}}, now[8];
            int64_t first = first_candidate(target), z = at->z[i], u = at->u[i];
            int64_t most = row[at->shared.cell_column[where[i] - line * pl->m]];
            uint8_t which[2][2] = {{0, 0}, {0, 0}}, *choice = s->choice + path->length * 8;
            for (int64_t k = 0; k < CANDIDATES; k++) {
                int64_t q = first + k;
                if (q > most) break;
                for (int64_t book = 0; book < 2; book++) {
                    float off = target - (float)value_of(net, book, z, q) * (1.0f / 64.0f);
                    float bits = s->bits[here * CANDIDATES + k] + bits_of_plane(s, book, other, z, u, q);
                    float cost = off * off + s->weight * bits;
                    if (cost < least[book][q & 1]) {
                        least[book][q & 1] = cost;
                        which[book][q & 1] = (uint8_t)k;
                    }
                }
            }
            for (int64_t v = 0; v < 8; v++) now[v] = NEVER;
            for (int64_t v = 0; v < 8; v++) choice[v] = 0;
            for (int64_t v = 0; v < 8; v++)
                for (int64_t odd = 0; odd < 2; odd++) {
                    float cost = path->cost[v] + least[v & 1][odd];
                    int64_t to = NEXT[v][odd];
                    if (cost < now[to]) {
                        now[to] = cost;
                        choice[to] = (uint8_t)(v << 2 | which[v & 1][odd]);
                    }
                }
            for (int64_t v = 0; v < 8; v++) path->cost[v] = now[v];
            s->order[path->length++] = here;
        }
    }
    settle(s, path);
}

/* As value_of, where the class of the context is no longer known: the mean of all classes. */
static inline int32_t typical_value(const rcz_wide *net, int64_t codebook, int64_t q) {
    int64_t total = 0;
    if (q == 0) return 0;
    for (int64_t z = 0; z < N_Z; z += N_Z / POINT_CLASSES) total += value_of(net, codebook, z, q);
    return (int32_t)floor_div(total, POINT_CLASSES);
}

/* Write the best path so far into q, and about what it stands for into values. */
static void trace_back(const rcz_plane *pl, const rcz_wide *net, rcz_search *s, paths *path, int8_t *book,
                       int32_t *values) {
    int64_t state = settle(s, path);
    for (int64_t i = path->length - 1; i >= 0; i--) {
        uint8_t choice = s->choice[8 * i + state];
        pl->q[s->order[i]] = (int32_t)(first_candidate(s->target[s->order[i]]) + (choice & 3));
        state = choice >> 2;
        book[s->order[i]] = (int8_t)(state & 1);
        if (values != NULL) values[s->order[i]] = typical_value(net, state & 1, pl->q[s->order[i]]);
    }
}

static void start_paths(const rcz_plane *pl, const context *c, rcz_search *s, paths *path) {
    memset(path->most, 0, sizeof path->most);
    for (int64_t v = 0; v < 8; v++) path->cost[v] = v == 0 ? 0.0f : NEVER;
    path->length = 0;
    s->spent = 0.0;
    for (int64_t b = 0; b < pl->blocks; b++)
        for (int64_t k = 0; k < pl->n; k++)
            for (int64_t j = 0; j < 2 * pl->m; j++) {
                int64_t *most = &path->most[c->cell_row[k]][c->cell_column[j / 2]];
                int64_t q = pl->q[(b * pl->n + k) * pl->m * 2 + j];
                while (*most < q) *most = 2 * *most + 1;
            }
}

static int32_t check_call(int32_t mode, const rcz_plane *pl, const rcz_coder *coder, const rcz_search *search) {
    int64_t needed = RCZ(trellis_bytes)(pl->blocks, pl->n, pl->m);
    if (needed < 0 || pl->scratch_bytes < needed || pl->columns < 1 || pl->blocks % pl->columns != 0)
        return RCZ_BAD_ARGUMENT;
    if (mode < RCZ_CODE || mode > RCZ_COST || (mode == RCZ_COST && search == NULL)) return RCZ_BAD_ARGUMENT;
    if (mode != RCZ_COST && coder->rows < TRELLIS_ROWS) return RCZ_BAD_ARGUMENT;
    if (pl->final < 0 || pl->final > 1 || pl->shift < 0 || pl->shift > 30) return RCZ_BAD_ARGUMENT;
    return pl->s < -MAX_PLANE || pl->s > MAX_PLANE ? RCZ_BAD_ARGUMENT : RCZ_OK;
}

int32_t RCZ(trellis_plane)(int32_t mode, const rcz_plane *pl, const rcz_wide *net, rcz_coder *coder,
                           rcz_search *search, int32_t *values, int16_t *inputs) {
    wide at;
    paths path;
    context *c = &at.shared;
    const int32_t *logs = net->log_table;
    int64_t h, w, state = 0;
    int32_t status = check_call(mode, pl, coder, search);
    if (status != RCZ_OK) return status;
    lay_out(pl, c, pl->n, pl->m);
    status = walk_cells(mode, pl, c, coder, FLAGS_AT);
    if (status != RCZ_OK) return status;
    find_extent(pl, &h, &w);
    if (h == 0) return RCZ_OK;
    lay_out(pl, c, h, w);
    at.best = (int16_t *)((unsigned char *)pl->scratch + context_bytes(pl->blocks, pl->n, pl->m));
    at.book = (int8_t *)(at.best + pl->blocks * (pl->n + 2 * REACH) * (pl->m + 2 * REACH));
    memset(at.x, 0, sizeof at.x);
    memset(at.one, 0, sizeof at.one);
    memset(at.two, 0, sizeof at.two);
    status = look_back(pl, c, logs);
    if (status != RCZ_OK) return status;
    put_inputs(at.x, 14, 16 * (pl->s - 6));
    put_inputs(at.x, 15, 32 * pl->final);
    put_inputs(at.x, LATE + 1, log_of(logs, 16 * pl->m) - 64);
    put_inputs(at.x, LATE + 2, log_of(logs, 16 * pl->blocks) >> 2);
    if (mode == RCZ_COST && pl->final) start_paths(pl, c, search, &path);
    for (int64_t phase = 0; phase < 3; phase++) {
        if (phase > 0) look_at_halves(pl, &at, phase);
        look_around(pl, &at, logs, phase);
        int64_t found = list_pairs(pl, c, phase);
        for (int64_t first = 0; first < found && status == RCZ_OK; first += CHUNK) {
            int64_t count = min_i(CHUNK, found - first);
            const int64_t *where = c->where + first;
            fill_inputs(pl, c, logs, phase, where, count, LATE, at.x);
            widen(pl, &at, logs, where, count);
            run_wide(net, &at, phase, count);
            for (int64_t i = 0; inputs != NULL && i < count; i++) {
                for (int64_t f = 0; f < WIDE_INPUTS; f++) *inputs++ = at.x[((f / 2) * CHUNK + i) * 2 + f % 2];
            }
            if (mode != RCZ_COST)
                status = transfer(mode, pl, net, coder, &at, where, count, &state, values);
            else if (pl->final)
                extend(pl, net, search, &at, where, count, &path);
            else
                add_bits(pl, search, &at, where, count);
        }
        if (status != RCZ_OK) return status;
        if (mode == RCZ_COST && pl->final) trace_back(pl, net, search, &path, at.book, values);
    }
    return RCZ_OK;
}
