/* Prediction from earlier planes of a tile (docs/format.md, 8.3): the part of a prediction that waits for no sample of the
 * plane. Planes that are needed again lie in a ring of whole planes. */
#ifndef RCZ_EARLIER_H
#define RCZ_EARLIER_H

#include "common.h"

#define MAX_LAGS 8
#define MAX_LAG_RADIUS 4
#define MAX_TILE_PLANES ((int64_t)1 << 32)

/* What a plane is predicted from: the rings' slots of the planes 1..n strides before it, and their coefficients. */
typedef struct {
    int64_t n, slots;
    const double *coefs, *values[MAX_LAGS];
    double *kept; /* the plane's own slot */
} earlier_planes;

static inline int64_t taps_of_lag(int64_t radius) { return (2 * radius + 1) * (2 * radius + 1); }

static inline int32_t begin_earlier(const rcz_pass *pass, earlier_planes *st) {
    const rcz_earlier *e = &pass->earlier;
    st->n = 0;
    st->kept = NULL;
    if (e->lags == 0) return RCZ_OK;
    if (e->lags < 0 || e->lags > MAX_LAGS || e->stride < 1 || e->period < 1) return RCZ_BAD_ARGUMENT;
    if (e->stride > MAX_TILE_PLANES || pass->planes > MAX_TILE_PLANES || pass->height > MAX_TILE_PLANES)
        return RCZ_BAD_ARGUMENT;
    st->slots = min_i(pass->planes, e->lags * e->stride + 1);
    if (st->slots > 0 && (e->values == NULL || e->n_values / st->slots / pass->height < pass->width)) return RCZ_BAD_ARGUMENT;
    for (int64_t j = 0; j < e->lags; j++)
        if (e->radii[j] < 0 || e->radii[j] > MAX_LAG_RADIUS) return RCZ_BAD_ARGUMENT;
    return RCZ_OK;
}

/* Find the earlier planes of plane p. */
static inline void choose_earlier(const rcz_pass *pass, earlier_planes *st, int64_t p) {
    const rcz_earlier *e = &pass->earlier;
    if (e->lags == 0) return;
    int64_t area = pass->height * pass->width, taps = 0;
    st->n = min_i(e->lags, p / e->stride % e->period);
    st->kept = e->values + p % st->slots * area;
    st->coefs = e->coefs;
    for (int64_t j = 0; j < st->n; j++) {
        st->values[j] = e->values + (p - (j + 1) * e->stride) % st->slots * area;
        st->coefs += taps; /* behind the sets for fewer planes */
        taps += taps_of_lag(e->radii[j]);
    }
}

/* Fill acc [width] with what the earlier planes give to row y, clamped. Taps outside the tile are left out. */
static inline void predict_earlier(const rcz_pass *pass, const earlier_planes *st, int64_t y, double limit,
                                   double *restrict acc) {
    int64_t n = pass->width;
    const double *c = st->coefs;
    for (int64_t x = 0; x < n; x++) acc[x] = 0.0;
    for (int64_t j = 0; j < st->n; j++) {
        int64_t radius = pass->earlier.radii[j];
        for (int64_t dy = -radius; dy <= radius; dy++) {
            for (int64_t dx = -radius; dx <= radius; dx++, c++) {
                if (y + dy < 0 || y + dy >= pass->height) continue;
                const double *restrict row = st->values[j] + (y + dy) * n;
                double k = *c;
                for (int64_t x = max_i(0, -dx); x < min_i(n, n - dx); x++) acc[x] += k * row[x + dx];
            }
        }
    }
    for (int64_t x = 0; x < n; x++) {
        double q = acc[x];
        q = q >= -limit ? q : -limit;
        acc[x] = q <= limit ? q : limit;
    }
}

#endif
