/* One plane of a tile of a trellis model: wide contexts, two codebooks that a trellis chooses (docs/format.md, 9.11).
 *
 * The walk is that of planes.c. In the last plane the parity of each magnitude moves a state of eight on, and the state says
 * which codebook the next coefficient has. The search finds the path of least cost (Viterbi 1967,
 * doi:10.1109/TIT.1967.1054010) phase by phase, so that the contexts of a phase are those of what was chosen before.
 */
#include "plane_context.h"
#include "wide_layer.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define WIDE_INPUTS 44
#define WIDE_HIDDEN 32
#define LATE 16 /* input that says whether a cell is new */
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

/* Inputs in the order of the slots that a chunk has: four inputs that are the same for all pairs are part of the bias, and
 * columns of the pairs around that follow each other share a slot. */
#define SLOTS 20
#define HIDDEN_SLOTS (WIDE_HIDDEN / 2)
#define OWN 7     /* slot of inputs 16 and 19 */
#define AROUND 8  /* first slot of the pairs around */
static const uint8_t ORDER[2 * SLOTS] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 16, 19, 20, 21, 22, 23,
                                         25, 26, 27, 28, 30, 31, 32, 33, 34, 35, 36, 37, 39, 40, 41, 42, 24, 29, 38, 43};
static const uint8_t SAME[4] = {14, 15, LATE + 1, LATE + 2};

typedef struct {
    context shared;
    int16_t *best; /* [blocks][h + 4][w + 4]: logarithm of the best that is known of a pair, in a margin */
    int8_t *book;  /* [blocks][n][m][2]: codebooks of the last plane */
    int16_t same[WIDE_INPUTS]; /* inputs that are the same for all pairs */
    int32_t weight0[WIDE_HIDDEN * SLOTS], weight1[WIDE_HIDDEN * HIDDEN_SLOTS], weight2[2 * HIDDEN_SLOTS];
    int32_t bias0[WIDE_HIDDEN];
    int16_t x[SLOTS * STRIDE * 2], one[WIDE_HIDDEN * STRIDE], two[WIDE_HIDDEN * STRIDE];
    int32_t out[2 * STRIDE], z[CHUNK], u[CHUNK];
    float points[2][POINT_CLASSES][CANDIDATES]; /* what the first indices stand for, in steps */
    float start[2][2][N_Z][CANDIDATES], refine[2][N_U][CANDIDATES]; /* their bits in a search: the sum of both */
    int32_t typical[2][RANKS]; /* corrections of points, the mean of all classes */
} wide;

int64_t RCZ(trellis_bytes)(int64_t blocks, int64_t n, int64_t m) {
    int64_t shared = context_bytes(blocks, n, m);
    return shared < 0 ? -1 : shared + 2 * blocks * (n + 2 * REACH) * (m + 2 * REACH) + 2 * blocks * n * m + SLACK;
}

/* Fill best for a phase: known pairs have 4 Q, others 4 G. */
static void look_around(const rcz_plane *pl, wide *at, const int32_t *logs, int64_t phase) {
    const context *c = &at->shared;
    int64_t w = c->w + 2 * REACH, area = (c->h + 2 * REACH) * w;
    int16_t nothing = (int16_t)logs[0];
    for (int64_t b = 0; b < pl->blocks; b++) {
        int16_t *to = at->best + b * area;
        int64_t parity = parity_of(pl, b);
        for (int64_t i = 0; i < area && phase == 0; i++) to[i] = nothing;
        for (int64_t k = 0; k < c->h; k++) {
            int64_t odd = (k + parity) & 1, from = (b * c->h + k) * c->pitch;
            int16_t *row = to + (k + REACH) * w + REACH;
            if (phase == 0) {
                for (int64_t j = 0; j < c->w; j++) row[j] = (int16_t)log_of(logs, 4 * (int64_t)c->level[from + j]);
            } else if (odd < phase) {
                for (int64_t j = odd; j < c->w; j += 2)
                    row[j] = (int16_t)log_of(logs, 4 * (int64_t)c->known[from + j]);
            }
        }
    }
}

/* Fill the slots of the pairs around, for pairs whose window of 5 x 5 begins at from, rows of w. */
static inline void put_around(int16_t *x, int64_t i, const int16_t *from, int64_t w) {
    const int16_t *rows[5];
    int64_t slot = AROUND;
    for (int64_t dk = 0; dk < 5; dk++) {
        rows[dk] = from + dk * w;
        memcpy(x + (slot++ * STRIDE + i) * 2, rows[dk], 4 * BATCH);
        memcpy(x + (slot++ * STRIDE + i) * 2, rows[dk] + (dk == REACH ? 3 : 2), 4 * BATCH);
    }
    for (int64_t dk = 0; dk < 5; dk += 3) {
        int16_t *to = x + (slot++ * STRIDE + i) * 2;
        for (int64_t t = 0; t < BATCH; t++) {
            uint32_t both = two(rows[dk][4 + 2 * t], rows[dk + 1][4 + 2 * t]);
            memcpy(to + 2 * t, &both, sizeof both);
        }
    }
}

/* Fill the slots for pairs [count] of a phase. */
static void fill_slots(const rcz_plane *pl, wide *at, const int32_t *logs, int64_t phase, const int64_t *where,
                       int64_t count) {
    const context *c = &at->shared;
    int64_t w = c->w + 2 * REACH, area = (c->h + 2 * REACH) * w;
    place row = {0};
    for (int64_t i = 0, n; i < count; i += n) {
        if (i == 0 || where[i] - row.first >= pl->m) find_place(pl, where[i], &row);
        int64_t j = where[i] - row.first;
        const int32_t *before = pl->before + (c->cell_row[row.k] + 1) * EDGE + 1, *p = pl->p + 2 * where[i];
        n = run_of(pl, &row, where + i, count - i);
        copy_slots(c, &row, j, phase, i, at->x);
        put_around(at->x, i, at->best + row.b * area + row.k * w + j, w);
        for (int64_t t = 0; t < n; t++) {
            int64_t most = max_i(p[4 * t], p[4 * t + 1]);
            uint32_t both = two(before[c->cell_column[j + 2 * t]] == 0 ? 32 : 0, log_of(logs, 16 * most));
            memcpy(at->x + (OWN * STRIDE + i + t) * 2, &both, sizeof both);
        }
    }
}

/* Bring the weights of a phase into the order of the slots. */
static void prepare(const rcz_wide *net, int64_t phase, wide *at) {
    for (int64_t o = 0; o < WIDE_HIDDEN; o++) {
        const int16_t *weight = net->weight0 + (phase * WIDE_HIDDEN + o) * WIDE_INPUTS;
        uint32_t bias = (uint32_t)net->bias0[phase * WIDE_HIDDEN + o];
        for (int64_t k = 0; k < SLOTS; k++)
            at->weight0[o * SLOTS + k] = (int32_t)two(weight[ORDER[2 * k]], weight[ORDER[2 * k + 1]]);
        for (int64_t k = 0; k < 4; k++) bias += (uint32_t)(weight[SAME[k]] * at->same[SAME[k]]);
        at->bias0[o] = (int32_t)bias;
    }
    memcpy(at->weight1, net->weight1 + phase * WIDE_HIDDEN * WIDE_HIDDEN, sizeof at->weight1);
    memcpy(at->weight2, net->weight2 + phase * 2 * WIDE_HIDDEN, sizeof at->weight2);
}

/* Fill z and u, the buckets of zeros and of others. */
static void run_wide(const rcz_wide *net, wide *at, int64_t phase, int64_t count) {
    const int32_t *shift = net->shifts + 3 * phase;
    hidden_layer(at->x, count, at->weight0, at->bias0, shift[0], SLOTS, WIDE_HIDDEN, at->one);
    hidden_layer(at->one, count, at->weight1, net->bias1 + phase * WIDE_HIDDEN, shift[1], HIDDEN_SLOTS, WIDE_HIDDEN,
                 at->two);
    two_rows(at->two, count, at->weight2, net->bias2 + phase * 2, shift[2], HIDDEN_SLOTS, at->out);
    for (int64_t i = 0; i < count; i++) {
        at->z[i] = bucket_of(at->out[i]);
        at->u[i] = within(((at->out[STRIDE + i] >> 1) + 64) >> 3, N_U - 1);
    }
}

/* Give the inputs of pairs [count] in their order; return where the next ones go. */
static int16_t *give_inputs(const wide *at, int64_t count, int16_t *inputs) {
    for (int64_t i = 0; i < count; i++, inputs += WIDE_INPUTS) {
        for (int64_t k = 0; k < 4; k++) inputs[SAME[k]] = at->same[SAME[k]];
        for (int64_t k = 0; k < 2 * SLOTS; k++) inputs[ORDER[k]] = at->x[((k / 2) * STRIDE + i) * 2 + k % 2];
    }
    return inputs;
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

/* What is asked of the codebooks again and again. */
static void read_points(const rcz_wide *net, wide *at) {
    for (int64_t book = 0; book < 2; book++) {
        for (int64_t z = 0; z < POINT_CLASSES; z++)
            for (int64_t q = 0; q < CANDIDATES; q++)
                at->points[book][z][q] = (float)value_of(net, book, z * (N_Z / POINT_CLASSES), q) * (1.0f / 64.0f);
        for (int64_t rank = 0; rank < RANKS; rank++) {
            int64_t total = 0;
            for (int64_t z = 0; z < POINT_CLASSES; z++) total += net->points[(book * POINT_CLASSES + z) * RANKS + rank];
            at->typical[book][rank] = (int32_t)floor_div(total, POINT_CLASSES);
        }
    }
}

/* Set a pair to what a symbol says; base is 3 where both of its coefficients were 0. */
static inline void read_pair(const rcz_plane *pl, int64_t here, int64_t symbol, int64_t base, int64_t turned) {
    int64_t y[2];
    y[turned] = base == 3 ? symbol / 3 : symbol >> 1;
    y[1 - turned] = base == 3 ? symbol % 3 : symbol & 1;
    for (int64_t t = 0; t < 2; t++) {
        if (pl->p[here + t] > 0) {
            pl->q[here + t] = (int32_t)(2 * (int64_t)pl->p[here + t] + y[t]);
        } else if (y[t] > 0) {
            pl->q[here + t] = 1;
            pl->sign[here + t] = y[t] == 1 ? 1 : -1;
        }
    }
}

/* Code or read pairs [count], and find their values in the last plane. */
static int32_t transfer(int32_t mode, const rcz_plane *pl, const rcz_wide *net, rcz_coder *coder, wide *at,
                        const int64_t *where, int64_t count, int64_t *state, int32_t *values) {
    rcz_coder own = *coder; /* of this function alone: stores elsewhere cannot change it */
    int64_t now = *state;
    int32_t status = RCZ_OK;
    for (int64_t i = 0; i < count; i++) {
        int64_t here = 2 * where[i], p0 = pl->p[here], p1 = pl->p[here + 1];
        int64_t row = trellis_row(class_of(pl->final, now), at->z[i], at->u[i], p0, p1);
        int64_t base = p0 == 0 && p1 == 0 ? 3 : 2, turned = p0 > 0 && p1 == 0;
        if (mode == RCZ_CODE) {
            int64_t y0 = case_of(p0, pl->q[here], pl->sign[here]);
            int64_t y1 = case_of(p1, pl->q[here + 1], pl->sign[here + 1]);
            status = push(&own, row, turned ? base * y1 + y0 : base * y0 + y1);
            if (status != RCZ_OK) break;
        } else {
            read_pair(pl, here, pop(&own, row), base, turned);
        }
        if (!pl->final) continue;
        for (int64_t t = 0; t < 2; t++) {
            at->book[here + t] = (int8_t)(now & 1);
            if (values != NULL) values[here + t] = value_of(net, now & 1, at->z[i], pl->q[here + t]);
            now = NEXT[now][pl->q[here + t] & 1];
        }
    }
    *coder = own;
    *state = now;
    return status;
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
            int64_t first = first_candidate(s->target[here]), before = first >> pl->shift;
            float bits = bits_of_plane(s, 2, other, at->z[i], at->u[i], before);
            for (int64_t k = 0; k < CANDIDATES; k++) {
                int64_t q = (first + k) >> pl->shift;
                if (q != before) bits = bits_of_plane(s, 2, other, at->z[i], at->u[i], q);
                s->bits[here * CANDIDATES + k] += bits;
                before = q;
            }
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

/* Prices of the indices 0 to 3 of the last plane: what depends on z, and what depends on u. */
static void read_prices(const rcz_search *s, wide *at) {
    memset(at->start, 0, sizeof at->start);
    memset(at->refine, 0, sizeof at->refine);
    for (int64_t book = 0; book < 2; book++) {
        for (int64_t other = 0; other < 2; other++)
            for (int64_t z = 0; z < N_Z; z++) {
                at->start[book][other][z][0] = s->zero[(book * 2 + other) * N_Z + z];
                at->start[book][other][z][1] = s->one[(book * 2 + other) * N_Z + z];
            }
        for (int64_t u = 0; u < N_U; u++)
            for (int64_t half = 0; half < 2; half++)
                at->refine[book][u][2 + half] = s->refine[(book * N_U + u) * RANKS * 2 + half];
    }
}

/* What the candidates of a coefficient stand for in each codebook, and their bits in the last plane. */
typedef struct {
    float values[2][CANDIDATES], bits[2][CANDIDATES];
} candidates;

static inline void list_candidates(const rcz_wide *net, const rcz_search *s, const wide *at, int64_t i, int64_t other,
                                   int64_t first, candidates *found) {
    int64_t z = at->z[i], u = at->u[i];
    for (int64_t book = 0; book < 2; book++) {
        if (first == 0) {
            memcpy(found->values[book], at->points[book][z / (N_Z / POINT_CLASSES)], sizeof found->values[book]);
            for (int64_t k = 0; k < CANDIDATES; k++)
                found->bits[book][k] = at->start[book][other][z][k] + at->refine[book][u][k];
            continue;
        }
        for (int64_t k = 0; k < CANDIDATES; k++) {
            found->values[book][k] = (float)value_of(net, book, z, first + k) * (1.0f / 64.0f);
            found->bits[book][k] = bits_of_plane(s, book, other, z, u, first + k);
        }
    }
}

/* Each state is reached from two, the smaller of which is half of it: by an index of a parity, and from the other one by
 * one of the other parity, as NEXT says. In states 0 to 3 the indices from the smaller one are those of even and odd
 * magnitude in codebook 0, then odd and even in codebook 1; in states 4 to 7 it is the other way round. */
#if defined(__SSE2__)
#define SWAPPED _MM_SHUFFLE(2, 3, 0, 1)
static inline __m128i as_integers(__m128 v) { return _mm_castps_si128(v); }
static inline __m128i select_lanes(__m128 which, __m128i yes, __m128i no) {
    return _mm_or_si128(_mm_and_si128(as_integers(which), yes), _mm_andnot_si128(as_integers(which), no));
}

/* Costs of the candidates in a codebook; those after the last one that there may be are not to be had. */
static inline __m128 candidate_costs(const float *values, const float *own, const float *bits, float target,
                                     float weight, int64_t last) {
    __m128 off = _mm_sub_ps(_mm_set1_ps(target), _mm_loadu_ps(values));
    __m128 all = _mm_add_ps(_mm_loadu_ps(bits), _mm_loadu_ps(own));
    __m128 costs = _mm_add_ps(_mm_mul_ps(off, off), _mm_mul_ps(_mm_set1_ps(weight), all));
    __m128i over = _mm_cmpgt_epi32(_mm_set_epi32(3, 2, 1, 0), _mm_set1_epi32((int32_t)min_i(last, CANDIDATES)));
    __m128i never = as_integers(_mm_set1_ps(NEVER));
    return _mm_castsi128_ps(select_lanes(_mm_castsi128_ps(over), never, as_integers(costs)));
}

/* Take all paths over a coefficient whose candidates begin with an index of a parity. */
static inline void step_paths(float *cost, const candidates *found, const float *bits, float target, float weight,
                              int64_t odd, int64_t last, uint8_t *choice) {
    __m128 one = candidate_costs(found->values[0], found->bits[0], bits, target, weight, last);
    __m128 second = candidate_costs(found->values[1], found->bits[1], bits, target, weight, last);
    __m128 early = _mm_movelh_ps(one, second), late = _mm_shuffle_ps(one, second, _MM_SHUFFLE(3, 2, 3, 2));
    __m128 later = _mm_cmplt_ps(late, early), least = _mm_min_ps(late, early);
    __m128i which = _mm_add_epi32(_mm_set_epi32(1, 0, 1, 0), _mm_and_si128(as_integers(later), _mm_set1_epi32(2)));
    if (odd) {
        least = _mm_shuffle_ps(least, least, SWAPPED);
        which = _mm_shuffle_epi32(which, SWAPPED);
    }
    __m128 low = _mm_shuffle_ps(least, least, _MM_SHUFFLE(2, 3, 1, 0));
    __m128 high = _mm_shuffle_ps(least, least, _MM_SHUFFLE(3, 2, 0, 1));
    __m128i which_low = _mm_shuffle_epi32(which, _MM_SHUFFLE(2, 3, 1, 0));
    __m128i which_high = _mm_shuffle_epi32(which, _MM_SHUFFLE(3, 2, 0, 1));
    __m128 a = _mm_loadu_ps(cost), b = _mm_loadu_ps(cost + 4), never = _mm_set1_ps(NEVER);
    __m128 a_low = _mm_add_ps(_mm_unpacklo_ps(a, a), low), a_high = _mm_add_ps(_mm_unpackhi_ps(a, a), high);
    __m128 b_low = _mm_add_ps(_mm_unpacklo_ps(b, b), high), b_high = _mm_add_ps(_mm_unpackhi_ps(b, b), low);
    __m128 other_low = _mm_cmplt_ps(b_low, a_low), other_high = _mm_cmplt_ps(b_high, a_high);
    _mm_storeu_ps(cost, _mm_min_ps(_mm_min_ps(b_low, a_low), never));
    _mm_storeu_ps(cost + 4, _mm_min_ps(_mm_min_ps(b_high, a_high), never));
    __m128i from = _mm_set_epi32(1, 1, 0, 0), four = _mm_set1_epi32(16), two_states = _mm_set1_epi32(2);
    __m128i from_low = _mm_slli_epi32(from, 2), from_high = _mm_slli_epi32(_mm_add_epi32(from, two_states), 2);
    __m128i chosen_low = select_lanes(other_low, _mm_add_epi32(_mm_add_epi32(from_low, four), which_high),
                                      _mm_add_epi32(from_low, which_low));
    __m128i chosen_high = select_lanes(other_high, _mm_add_epi32(_mm_add_epi32(from_high, four), which_low),
                                       _mm_add_epi32(from_high, which_high));
    __m128i packed = _mm_packs_epi32(chosen_low, chosen_high);
    _mm_storel_epi64((__m128i *)(void *)choice, _mm_packus_epi16(packed, packed));
}
#else
/* Take all paths over a coefficient whose candidates begin with an index of a parity. */
static inline void step_paths(float *cost, const candidates *found, const float *bits, float target, float weight,
                              int64_t odd, int64_t last, uint8_t *choice) {
    float least[4], now[8]; /* of even and odd magnitudes in codebook 0, then in 1 */
    uint8_t which[4];
    for (int64_t book = 0; book < 2; book++) {
        float costs[CANDIDATES];
        for (int64_t k = 0; k < CANDIDATES; k++) {
            /* One by one, so that each is rounded where arithmetic is more precise, too. */
            float off = target - found->values[book][k], square = off * off, all = bits[k] + found->bits[book][k];
            float paid = weight * all, both = square + paid;
            costs[k] = k <= last ? both : NEVER;
        }
        for (int64_t k = 0; k < 2; k++) {
            int64_t to = 2 * book + ((k + odd) & 1), later = costs[k + 2] < costs[k];
            least[to] = later ? costs[k + 2] : costs[k];
            which[to] = (uint8_t)(later ? k + 2 : k);
        }
    }
    for (int64_t to = 0; to < 8; to++) {
        int64_t a = to >> 1, b = a + 4, of_a = (a & 1) * 2 + (((to & 3) == 1 || (to & 3) == 2) ^ (to >> 2));
        int64_t of_b = of_a ^ 1;
        float from_a = cost[a] + least[of_a], from_b = cost[b] + least[of_b];
        int other = from_b < from_a;
        float best = other ? from_b : from_a;
        now[to] = best < NEVER ? best : NEVER;
        choice[to] = (uint8_t)(other ? b << 2 | which[of_b] : a << 2 | which[of_a]);
    }
    memcpy(cost, now, sizeof now);
}
#endif

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
        int64_t most = row[at->shared.cell_column[where[i] - line * pl->m]];
        for (int64_t t = 0; t < 2; t++) {
            int64_t here = 2 * where[i] + t, other = pl->p[2 * where[i] + 1 - t] > 0;
            int64_t first = first_candidate(s->target[here]);
            candidates found;
            list_candidates(net, s, at, i, other, first, &found);
            step_paths(path->cost, &found, s->bits + here * CANDIDATES, s->target[here], s->weight, first & 1,
                       most - first, s->choice + path->length * 8);
            s->order[path->length++] = here;
        }
    }
    settle(s, path);
}

/* Write the best path so far into q, and about what it stands for into values: the class of a context is no longer known,
 * so that the mean of all classes stands for each. */
static void trace_back(const rcz_plane *pl, const wide *at, rcz_search *s, paths *path, int32_t *values) {
    int64_t state = settle(s, path);
    for (int64_t i = path->length - 1; i >= 0; i--) {
        uint8_t choice = s->choice[8 * i + state];
        int64_t here = s->order[i], q = first_candidate(s->target[here]) + (choice & 3);
        state = choice >> 2;
        int64_t book = state & 1;
        pl->q[here] = (int32_t)q;
        at->book[here] = (int8_t)book;
        if (values != NULL)
            values[here] = q == 0 ? 0 : (int32_t)(64 * q - 32 * book + at->typical[book][rank_of(q)]);
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
    status = look_back(pl, c, logs);
    if (status != RCZ_OK) return status;
    for (int64_t s = KNOWN_SLOT; s < MAP_SLOTS; s++) put_all(at.x, s, logs[0], logs[0]);
    at.same[14] = (int16_t)(16 * (pl->s - 6));
    at.same[15] = (int16_t)(32 * pl->final);
    at.same[LATE + 1] = (int16_t)(log_of(logs, 16 * pl->m) - 64);
    at.same[LATE + 2] = (int16_t)(log_of(logs, 16 * pl->blocks) >> 2);
    read_points(net, &at);
    if (mode == RCZ_COST && pl->final) {
        read_prices(search, &at);
        start_paths(pl, c, search, &path);
    }
    for (int64_t phase = 0; phase < 3; phase++) {
        prepare(net, phase, &at);
        if (phase > 0) look_at(pl, c, logs, phase, at.book);
        look_around(pl, &at, logs, phase);
        int64_t found = list_pairs(pl, c, phase);
        for (int64_t first = 0; first < found && status == RCZ_OK; first += CHUNK) {
            int64_t count = min_i(CHUNK, found - first);
            const int64_t *where = c->where + first;
            fill_slots(pl, &at, logs, phase, where, count);
            run_wide(net, &at, phase, count);
            if (inputs != NULL) inputs = give_inputs(&at, count, inputs);
            if (mode != RCZ_COST)
                status = transfer(mode, pl, net, coder, &at, where, count, &state, values);
            else if (pl->final)
                extend(pl, net, search, &at, where, count, &path);
            else
                add_bits(pl, search, &at, where, count);
        }
        if (status != RCZ_OK) return status;
        if (mode == RCZ_COST && pl->final) trace_back(pl, &at, search, &path, values);
    }
    return RCZ_OK;
}
