/* One plane of a tile of a lapped model: contexts, buckets, tables and symbols (docs/format.md, 9.6 and 9.7).
 *
 * One walk serves coding, decoding and the encoder's search. It visits the pairs of a plane in the order of the format and
 * finds each one's bucket; what happens then is the mode's. The network runs on a chunk of pairs at a time, whose lanes are
 * SIMD lanes. All is integer.
 */
#include "plane_context.h"
#include "wide_layer.h"

#define N_INPUTS 21
#define N_WIDE 22 /* inputs in pairs */
#define N_HIDDEN 16
#define LEVELS 5
#define N_BUCKETS 48
#define ZN_ROWS N_BUCKETS
#define NN_ROWS (ZN_ROWS + N_BUCKETS * 2 * LEVELS)
#define FLAG_ROWS (NN_ROWS + 2 * LEVELS * LEVELS)
#define N_ROWS (FLAG_ROWS + 11 * LEVELS)

int64_t RCZ(plane_bytes)(int64_t blocks, int64_t n, int64_t m) { return context_bytes(blocks, n, m); }

/* Bring known and recent up to date with the phases of the plane before one. */
static void look_at(const rcz_plane *pl, context *c, int64_t phase) {
    int64_t h = c->h, w = c->w;
    for (int64_t b = 0; b < pl->blocks; b++) {
        int64_t parity = parity_of(pl, b);
        int32_t *known = c->known + b * h * w;
        for (int64_t k = 0; k < h; k++) {
            const int32_t *q = pl->q + ((b * pl->n + k) * pl->m) * 2;
            for (int64_t j = 0; j < w; j++) {
                int64_t sum = (int64_t)q[2 * j] + q[2 * j + 1];
                known[k * w + j] = phase_of(k, j, parity) < phase ? (int32_t)min_i(sum, MAX_LEVEL) : 0;
            }
        }
        box_sums(known, c->recent, b * h * w, c->tmp, h, w, RECENT_FAR);
    }
}

/* The network in 16 bits, its inputs and its layers for a chunk. */
typedef struct {
    int16_t weight0[N_HIDDEN * N_WIDE], weight1[N_HIDDEN * N_HIDDEN], weight2[N_HIDDEN];
    int16_t x[N_WIDE * CHUNK], one[N_HIDDEN * CHUNK], two[N_HIDDEN * CHUNK];
    int32_t out[4 * CHUNK], bucket[CHUNK];
} narrow;

static int32_t shorten(const int32_t *from, int64_t rows, int64_t columns, int64_t stride, int16_t *to) {
    for (int64_t o = 0; o < rows; o++)
        for (int64_t i = 0; i < stride; i++) {
            int32_t weight = i < columns ? from[o * columns + i] : 0;
            if (weight < INT16_MIN || weight > INT16_MAX) return RCZ_BAD_ARGUMENT;
            to[o * stride + i] = (int16_t)weight;
        }
    return RCZ_OK;
}

static int32_t prepare(const rcz_network *net, narrow *at) {
    int32_t status = shorten(net->weight0, N_HIDDEN, N_INPUTS, N_WIDE, at->weight0);
    if (status == RCZ_OK) status = shorten(net->weight1, N_HIDDEN, N_HIDDEN, N_HIDDEN, at->weight1);
    if (status == RCZ_OK) status = shorten(net->weight2, 1, N_HIDDEN, N_HIDDEN, at->weight2);
    memset(at->x, 0, sizeof at->x);
    memset(at->one, 0, sizeof at->one);
    memset(at->two, 0, sizeof at->two);
    return status;
}

/* Fill bucket [n] from the inputs. */
static void run_network(const rcz_network *net, narrow *at, int64_t n) {
    hidden_layer(at->x, n, at->weight0, net->bias0, net->shift0, N_WIDE, N_HIDDEN, at->one);
    hidden_layer(at->one, n, at->weight1, net->bias1, net->shift1, N_HIDDEN, N_HIDDEN, at->two);
    four_rows(at->two, n, at->weight2, net->bias2, net->shift2, N_HIDDEN, 1, at->out);
    for (int64_t i = 0; i < n; i++) {
        int64_t y = floor_div((((int64_t)at->out[i] >> 1) + 160) * N_BUCKETS, 208);
        at->bucket[i] = (int32_t)clamp_i(y, 0, N_BUCKETS - 1);
    }
}

/* Add the bits of both choices of pairs [count]. */
static void price(const rcz_plane *pl, const rcz_prices *prices, int64_t h, const int32_t *bucket, const int64_t *where,
                  int64_t count) {
    for (int64_t n = 0; n < count; n++) {
        int64_t z = bucket[n];
        for (int64_t i = 0; i < 2; i++) {
            int64_t at = 2 * where[n] + i, other = pl->p[2 * where[n] + 1 - i] > 0 ? 1 : 0;
            for (int which = 0; which < 2; which++) {
                int32_t value = which == 1 ? prices->lower[at] >> pl->shift : pl->q[at], above = value >> 1;
                float cost;
                if (above == 0)
                    cost = value > 0 ? prices->one[other * N_BUCKETS + z] : prices->zero[other * N_BUCKETS + z];
                else
                    cost = prices->refine[(h * LEVELS + min_i(above, LEVELS) - 1) * 2 + (value & 1)];
                if (which == 1)
                    prices->theirs[at] += cost;
                else
                    prices->ours[at] += cost;
            }
        }
    }
}

/* Row of the table of a pair of magnitudes whose bucket is z. */
static inline int64_t row_of(int64_t z, int64_t h, int64_t p0, int64_t p1) {
    if (p0 == 0 && p1 == 0) return z;
    if (p0 == 0) return ZN_ROWS + (z * 2 + h) * LEVELS + min_i(p1, LEVELS) - 1;
    if (p1 == 0) return ZN_ROWS + (z * 2 + h) * LEVELS + min_i(p0, LEVELS) - 1;
    return NN_ROWS + (h * LEVELS + min_i(p0, LEVELS) - 1) * LEVELS + min_i(p1, LEVELS) - 1;
}

static int32_t code(const rcz_plane *pl, rcz_coder *coder, int64_t h, const int32_t *bucket, const int64_t *where,
                    int64_t count) {
    for (int64_t n = 0; n < count; n++) {
        int64_t at = 2 * where[n], p0 = pl->p[at], p1 = pl->p[at + 1];
        int64_t y0 = case_of(p0, pl->q[at], pl->sign[at]), y1 = case_of(p1, pl->q[at + 1], pl->sign[at + 1]);
        int64_t base = p0 == 0 && p1 == 0 ? 3 : 2;
        int64_t symbol = p0 > 0 && p1 == 0 ? base * y1 + y0 : base * y0 + y1; /* the zero goes first */
        if (push(coder, row_of(bucket[n], h, p0, p1), symbol) != RCZ_OK) return RCZ_NO_SPACE;
    }
    return RCZ_OK;
}

/* Read pairs [count] into q and sign. */
static int32_t decode(const rcz_plane *pl, rcz_coder *coder, int64_t h, const int32_t *bucket, const int64_t *where,
                      int64_t count) {
    for (int64_t n = 0; n < count; n++) {
        int64_t at = 2 * where[n], p0 = pl->p[at], p1 = pl->p[at + 1];
        int64_t symbol = pop(coder, row_of(bucket[n], h, p0, p1)), base = p0 == 0 && p1 == 0 ? 3 : 2;
        int64_t y[2] = {symbol / base, symbol % base};
        if (p0 > 0 && p1 == 0) {
            int64_t first = y[0];
            y[0] = y[1];
            y[1] = first;
        }
        for (int64_t i = 0; i < 2; i++) {
            if (pl->p[at + i] > 0) {
                pl->q[at + i] = (int32_t)(2 * (int64_t)pl->p[at + i] + y[i]);
            } else if (y[i] > 0) {
                pl->q[at + i] = 1;
                pl->sign[at + i] = y[i] == 1 ? 1 : -1;
            }
        }
    }
    return RCZ_OK;
}

int32_t RCZ(walk_plane)(int32_t mode, const rcz_plane *pl, const rcz_network *net, rcz_coder *coder,
                        const rcz_prices *prices) {
    context c;
    narrow at;
    int64_t needed = RCZ(plane_bytes)(pl->blocks, pl->n, pl->m), h, w;
    if (needed < 0 || pl->scratch_bytes < needed || pl->columns < 1 || pl->blocks % pl->columns != 0)
        return RCZ_BAD_ARGUMENT;
    if (mode < RCZ_CODE || mode > RCZ_COST || (mode == RCZ_COST && prices == NULL)) return RCZ_BAD_ARGUMENT;
    if (mode != RCZ_COST && coder->rows < N_ROWS) return RCZ_BAD_ARGUMENT;
    if (pl->final < 0 || pl->final > 1 || pl->shift < 0 || pl->shift > 30) return RCZ_BAD_ARGUMENT;
    if (pl->s < -MAX_PLANE || pl->s > MAX_PLANE) return RCZ_BAD_ARGUMENT;
    lay_out(pl, &c, pl->n, pl->m);
    int32_t status = walk_cells(mode, pl, &c, coder, FLAG_ROWS);
    if (status != RCZ_OK) return status;
    find_extent(pl, &h, &w);
    if (h == 0) return RCZ_OK;
    lay_out(pl, &c, h, w);
    status = look_back(pl, &c, net->log_table);
    if (status != RCZ_OK) return status;
    status = prepare(net, &at);
    if (status != RCZ_OK) return status;
    put_inputs(at.x, 14, 16 * (pl->s - 6));
    put_inputs(at.x, 15, 32 * pl->final);
    put_inputs(at.x, N_LATE + 1, log_of(net->log_table, 16 * pl->m) - 64);
    put_inputs(at.x, N_LATE + 2, log_of(net->log_table, 16 * pl->blocks) >> 2);
    for (int64_t phase = 0; phase < 3; phase++) {
        if (phase > 0) look_at(pl, &c, phase);
        put_inputs(at.x, 16, phase == 1 ? 32 : 0);
        put_inputs(at.x, 17, phase == 2 ? 32 : 0);
        int64_t found = list_pairs(pl, &c, phase);
        for (int64_t first = 0; first < found && status == RCZ_OK; first += CHUNK) {
            int64_t count = min_i(CHUNK, found - first), last = 1 - pl->final;
            const int64_t *where = c.where + first;
            fill_inputs(pl, &c, net->log_table, phase, where, count, N_LATE, at.x);
            run_network(net, &at, count);
            if (mode == RCZ_COST)
                price(pl, prices, last, at.bucket, where, count);
            else if (mode == RCZ_CODE)
                status = code(pl, coder, last, at.bucket, where, count);
            else
                status = decode(pl, coder, last, at.bucket, where, count);
        }
        if (status != RCZ_OK) return status;
    }
    return RCZ_OK;
}
