/* Prediction from earlier planes of a tile (docs/format.md, 8.3): the part of a prediction that waits for no sample of the
 * plane. Planes that are needed again lie in a ring of whole planes. */
#ifndef RCZ_EARLIER_H
#define RCZ_EARLIER_H

#include "common.h"

#define MAX_LAGS 8
#define MAX_LAG_RADIUS 4
#define MAX_BLEND 64
#define ROW_WEIGHTS 720.0 /* of the errors in the plane itself */
#define NEAR 2 /* rows and columns around a sample whose errors in the plane before count */
#define MAX_TILE_PLANES ((int64_t)1 << 32)

/* What a plane is predicted from: the rings' slots of the planes 1..n strides before it, and their coefficients. */
typedef struct {
    int64_t n, slots, error_slots;
    const double *coefs, *values[MAX_LAGS], *errors_before; /* errors are those of the first of them */
    double *kept, *errors_kept;                              /* the plane's own slots */
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
    st->error_slots = min_i(pass->planes, e->stride + 1);
    if (e->blend < 0 || e->blend > MAX_BLEND) return RCZ_BAD_ARGUMENT;
    if (e->blend > 0 && st->slots > 0 &&
        (e->errors == NULL || e->n_errors / st->error_slots / pass->height < pass->width + 2 * NEAR))
        return RCZ_BAD_ARGUMENT;
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
    if (e->blend > 0) {
        int64_t size = pass->height * (pass->width + 2 * NEAR);
        st->errors_kept = e->errors + p % st->error_slots * size;
        if (st->n > 0) st->errors_before = e->errors + (p - e->stride) % st->error_slots * size;
    }
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

/* Add to acc [width], sums of weighted errors, those of the plane before; gives the factor that makes them means. */
static inline double errors_before(const rcz_pass *pass, const earlier_planes *st, int64_t y, double *restrict acc) {
    const rcz_earlier *e = &pass->earlier;
    static const double WEIGHTS[2 * NEAR + 1][2 * NEAR + 1] = {
        {0.0, 1.0, 1.0, 1.0, 0.0}, {1.0, 2.0, 3.0, 2.0, 1.0}, {1.0, 3.0, 4.0, 3.0, 1.0},
        {1.0, 2.0, 3.0, 2.0, 1.0}, {0.0, 1.0, 1.0, 1.0, 0.0},
    };
    if (e->lags == 0 || e->blend == 0 || st->n == 0) return 1.0 / ROW_WEIGHTS;
    for (int64_t dy = -NEAR; dy <= NEAR; dy++) {
        const double *restrict row =
            st->errors_before + clamp_i(y + dy, 0, pass->height - 1) * (pass->width + 2 * NEAR);
        for (int64_t i = 0; i <= 2 * NEAR; i++) {
            double k = WEIGHTS[dy + NEAR][i] * (double)e->blend;
            if (k == 0.0) continue;
            for (int64_t x = 0; x < pass->width; x++) acc[x] += k * row[x + i];
        }
    }
    return 1.0 / (ROW_WEIGHTS + 36.0 * (double)e->blend);
}

#endif
