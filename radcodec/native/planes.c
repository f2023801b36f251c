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
#define ZN_ROWS N_BUCKETS
#define NN_ROWS (ZN_ROWS + N_BUCKETS * 2 * LEVELS)
#define FLAG_ROWS (NN_ROWS + 2 * LEVELS * LEVELS)
#define N_ROWS (FLAG_ROWS + 11 * LEVELS)

int64_t RCZ(plane_bytes)(int64_t blocks, int64_t n, int64_t m) { return context_bytes(blocks, n, m); }

#define SLOTS (N_WIDE / 2)
#define HIDDEN_SLOTS (N_HIDDEN / 2)
#define FRESH 9 /* slot of the input that says whether a cell is new */

/* The network in 16 bits, two weights in a number; its inputs and its layers for a chunk. */
typedef struct {
    int32_t weight0[N_HIDDEN * SLOTS], weight1[N_HIDDEN * HIDDEN_SLOTS], weight2[2 * HIDDEN_SLOTS], bias2[2];
    int16_t x[SLOTS * STRIDE * 2], one[N_HIDDEN * STRIDE], two[N_HIDDEN * STRIDE];
    int32_t out[2 * STRIDE], bucket[CHUNK];
} narrow;

static int32_t shorten(const int32_t *from, int64_t rows, int64_t columns, int64_t slots, int32_t *to) {
    for (int64_t o = 0; o < rows; o++)
        for (int64_t i = 0; i < slots; i++) {
            int16_t both[2] = {0, 0};
            for (int64_t t = 0; t < 2 && 2 * i + t < columns; t++) {
                int32_t weight = from[o * columns + 2 * i + t];
                if (weight < INT16_MIN || weight > INT16_MAX) return RCZ_BAD_ARGUMENT;
                both[t] = (int16_t)weight;
            }
            to[o * slots + i] = packed_two(both);
        }
    return RCZ_OK;
}

static int32_t prepare(const rcz_network *net, narrow *at) {
    memset(at, 0, sizeof *at);
    int32_t status = shorten(net->weight0, N_HIDDEN, N_INPUTS, SLOTS, at->weight0);
    if (status == RCZ_OK) status = shorten(net->weight1, N_HIDDEN, N_HIDDEN, HIDDEN_SLOTS, at->weight1);
    if (status == RCZ_OK) status = shorten(net->weight2, 1, N_HIDDEN, HIDDEN_SLOTS, at->weight2);
    at->bias2[0] = net->bias2[0];
    return status;
}

/* Fill the inputs of pairs [count] of a phase that are not the same for all. */
static void fill_inputs(const rcz_plane *pl, const context *c, const int32_t *logs, int64_t phase, const int64_t *where,
                        int64_t count, int16_t *x) {
    place row = {0};
    int32_t size = log_of(logs, 16 * pl->m) - 64;
    for (int64_t i = 0, n; i < count; i += n) {
        if (i == 0 || where[i] - row.first >= pl->m) find_place(pl, where[i], &row);
        int64_t j = where[i] - row.first;
        const int32_t *before = pl->before + (c->cell_row[row.k] + 1) * EDGE + 1;
        n = run_of(pl, &row, where + i, count - i);
        copy_slots(c, &row, j, phase, i, x);
        for (int64_t t = 0; t < n; t++) {
            uint32_t both = two(before[c->cell_column[j + 2 * t]] == 0 ? 32 : 0, size);
            memcpy(x + (FRESH * STRIDE + i + t) * 2, &both, sizeof both);
        }
    }
}

/* Fill bucket [n] from the inputs. */
static void run_network(const rcz_network *net, narrow *at, int64_t n) {
    hidden_layer(at->x, n, at->weight0, net->bias0, net->shift0, SLOTS, N_HIDDEN, at->one);
    hidden_layer(at->one, n, at->weight1, net->bias1, net->shift1, HIDDEN_SLOTS, N_HIDDEN, at->two);
    two_rows(at->two, n, at->weight2, at->bias2, net->shift2, HIDDEN_SLOTS, at->out);
    for (int64_t i = 0; i < n; i++) at->bucket[i] = bucket_of(at->out[i]);
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
    for (int64_t s = KNOWN_SLOT; s < MAP_SLOTS; s++) put_all(at.x, s, net->log_table[0], net->log_table[0]);
    put_all(at.x, 7, 16 * (pl->s - 6), 32 * pl->final);
    put_all(at.x, FRESH + 1, log_of(net->log_table, 16 * pl->blocks) >> 2, 0);
    for (int64_t phase = 0; phase < 3; phase++) {
        if (phase > 0) look_at(pl, &c, net->log_table, phase, NULL);
        put_all(at.x, 8, phase == 1 ? 32 : 0, phase == 2 ? 32 : 0);
        int64_t found = list_pairs(pl, &c, phase);
        for (int64_t first = 0; first < found && status == RCZ_OK; first += CHUNK) {
            int64_t count = min_i(CHUNK, found - first), last = 1 - pl->final;
            const int64_t *where = c.where + first;
            fill_inputs(pl, &c, net->log_table, phase, where, count, at.x);
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
