// The hash grid as one would write it in C++: blocks of points inside, levels outside, corners unrolled.
// Forward: threads share blocks. Backward: a thread owns whole levels, so no two add to one address.
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

constexpr std::int64_t BLOCK = 16384;  // points that stay in cache while a level's table is there

template <bool DENSE>
inline std::uint32_t combine(std::uint32_t x, std::uint32_t y, std::uint32_t z, std::uint32_t mask) {
    return DENSE ? x + y + z : (x ^ y ^ z) & mask;
}

struct Level {
    std::int32_t resolution, offset, dense;
};

struct Cell {
    std::uint32_t key[3][2];
    float weight[3][2];
};

inline Cell cell_of(const float* x, int resolution, const std::uint32_t* stride) {
    Cell cell;
    for (int d = 0; d < 3; ++d) {
        const float scaled = x[d] * resolution;
        const float base = std::min(std::max(std::floor(scaled), 0.0f), float(resolution - 1));
        const float frac = scaled - base;
        cell.key[d][0] = std::uint32_t(base) * stride[d];
        cell.key[d][1] = cell.key[d][0] + stride[d];
        cell.weight[d][0] = 1.0f - frac;
        cell.weight[d][1] = frac;
    }
    return cell;
}

inline void strides_of(const Level& level, std::uint32_t* stride) {
    const std::uint32_t side = level.resolution + 1;
    stride[0] = 1;
    stride[1] = level.dense ? side : 2654435761u;
    stride[2] = level.dense ? side * side : 805459861u;
}

template <int F, bool DENSE>
void forward_block(std::int64_t begin, std::int64_t end, int l, int n_levels, const Level& level, std::uint32_t mask,
                   const float* x, const float* table, float* out) {
    std::uint32_t stride[3];
    strides_of(level, stride);
    const float* entries = table + std::int64_t(level.offset) * F;
    for (std::int64_t i = begin; i < end; ++i) {
        const Cell cell = cell_of(x + 3 * i, level.resolution, stride);
        float total[F] = {};
        for (int c = 0; c < 8; ++c) {
            const int a = c & 1, b = c >> 1 & 1, e = c >> 2;
            const float weight = cell.weight[0][a] * cell.weight[1][b] * cell.weight[2][e];
            const float* entry = entries + combine<DENSE>(cell.key[0][a], cell.key[1][b], cell.key[2][e], mask) * F;
            for (int f = 0; f < F; ++f) total[f] += weight * entry[f];
        }
        for (int f = 0; f < F; ++f) out[(i * n_levels + l) * F + f] = total[f];
    }
}

template <int F, bool DENSE>
void backward_level(std::int64_t n_points, int l, int n_levels, const Level& level, std::uint32_t mask,
                    const float* x, const float* grad_out, float* grad_table) {
    std::uint32_t stride[3];
    strides_of(level, stride);
    float* entries = grad_table + std::int64_t(level.offset) * F;
    for (std::int64_t i = 0; i < n_points; ++i) {
        const Cell cell = cell_of(x + 3 * i, level.resolution, stride);
        const float* grad = grad_out + (i * n_levels + l) * F;
        for (int c = 0; c < 8; ++c) {
            const int a = c & 1, b = c >> 1 & 1, e = c >> 2;
            const float weight = cell.weight[0][a] * cell.weight[1][b] * cell.weight[2][e];
            float* entry = entries + combine<DENSE>(cell.key[0][a], cell.key[1][b], cell.key[2][e], mask) * F;
            for (int f = 0; f < F; ++f) entry[f] += weight * grad[f];
        }
    }
}

template <int F, bool DENSE>
void position_block(std::int64_t begin, std::int64_t end, int l, int n_levels, const Level& level, std::uint32_t mask,
                    const float* x, const float* table, const float* grad_out, float* grad_x) {
    std::uint32_t stride[3];
    strides_of(level, stride);
    const float* entries = table + std::int64_t(level.offset) * F;
    for (std::int64_t i = begin; i < end; ++i) {
        const Cell cell = cell_of(x + 3 * i, level.resolution, stride);
        const float* grad = grad_out + (i * n_levels + l) * F;
        float slope[3] = {};
        for (int c = 0; c < 8; ++c) {
            const int a = c & 1, b = c >> 1 & 1, e = c >> 2;
            const float* entry = entries + combine<DENSE>(cell.key[0][a], cell.key[1][b], cell.key[2][e], mask) * F;
            float value = 0.0f;
            for (int f = 0; f < F; ++f) value += grad[f] * entry[f];
            slope[0] += (a ? value : -value) * (cell.weight[1][b] * cell.weight[2][e]);
            slope[1] += (b ? value : -value) * (cell.weight[0][a] * cell.weight[2][e]);
            slope[2] += (e ? value : -value) * (cell.weight[0][a] * cell.weight[1][b]);
        }
        for (int d = 0; d < 3; ++d) grad_x[3 * i + d] += level.resolution * slope[d];
    }
}

template <int F>
void forward(std::int64_t n_points, int n_levels, const Level* levels, std::uint32_t mask, const float* x,
             const float* table, float* out, int threads) {
    const std::int64_t blocks = (n_points + BLOCK - 1) / BLOCK;
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (std::int64_t block = 0; block < blocks; ++block)
        for (int l = 0; l < n_levels; ++l) {
            const std::int64_t begin = block * BLOCK, end = std::min(begin + BLOCK, n_points);
            if (levels[l].dense)
                forward_block<F, true>(begin, end, l, n_levels, levels[l], mask, x, table, out);
            else
                forward_block<F, false>(begin, end, l, n_levels, levels[l], mask, x, table, out);
        }
}

template <int F>
void backward(std::int64_t n_points, int n_levels, const Level* levels, std::uint32_t mask, const float* x,
              const float* grad_out, float* grad_table, int threads) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int l = 0; l < n_levels; ++l)
        if (levels[l].dense)
            backward_level<F, true>(n_points, l, n_levels, levels[l], mask, x, grad_out, grad_table);
        else
            backward_level<F, false>(n_points, l, n_levels, levels[l], mask, x, grad_out, grad_table);
}

template <int F>
void backward_position(std::int64_t n_points, int n_levels, const Level* levels, std::uint32_t mask, const float* x,
                       const float* table, const float* grad_out, float* grad_x, int threads) {
    const std::int64_t blocks = (n_points + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t block = 0; block < blocks; ++block)
        for (int l = 0; l < n_levels; ++l) {
            const std::int64_t begin = block * BLOCK, end = std::min(begin + BLOCK, n_points);
            if (levels[l].dense)
                position_block<F, true>(begin, end, l, n_levels, levels[l], mask, x, table, grad_out, grad_x);
            else
                position_block<F, false>(begin, end, l, n_levels, levels[l], mask, x, table, grad_out, grad_x);
        }
}

}  // namespace

extern "C" {

// n_features is 2 or 4; -1 is returned for others.
int hash_grid_forward(std::int64_t n_points, std::int64_t n_levels, std::int64_t n_features, const Level* levels, std::uint32_t mask,
                      const float* x, const float* table, float* out, int threads) {
    if (n_features == 2) return forward<2>(n_points, n_levels, levels, mask, x, table, out, threads), 0;
    if (n_features == 4) return forward<4>(n_points, n_levels, levels, mask, x, table, out, threads), 0;
    return -1;
}

int hash_grid_backward(std::int64_t n_points, std::int64_t n_levels, std::int64_t n_features, const Level* levels, std::uint32_t mask,
                       const float* x, const float* grad_out, float* grad_table, int threads) {
    if (n_features == 2) return backward<2>(n_points, n_levels, levels, mask, x, grad_out, grad_table, threads), 0;
    if (n_features == 4) return backward<4>(n_points, n_levels, levels, mask, x, grad_out, grad_table, threads), 0;
    return -1;
}

int hash_grid_backward_position(std::int64_t n_points, std::int64_t n_levels, std::int64_t n_features, const Level* levels,
                                std::uint32_t mask, const float* x, const float* table, const float* grad_out,
                                float* grad_x, int threads) {
    if (n_features == 2)
        return backward_position<2>(n_points, n_levels, levels, mask, x, table, grad_out, grad_x, threads), 0;
    if (n_features == 4)
        return backward_position<4>(n_points, n_levels, levels, mask, x, table, grad_out, grad_x, threads), 0;
    return -1;
}
}
