// The occupancy march as one would write it in C++: count, (the caller scans), fill; threads share the rays.
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

struct March {
    float near, far, step, cone;
    std::int32_t side, max_steps;
};

struct Ray {
    float o[3], d[3];

    void at(float t, float* x) const {
        for (int i = 0; i < 3; ++i) x[i] = o[i] + t * d[i];
    }
};

inline float magnitude(const float* x) {
    return std::max(1.0f, std::max(std::fabs(x[0]), std::max(std::fabs(x[1]), std::fabs(x[2]))));
}

inline float interval(const Ray& ray, float t, const March& march) {
    float x[3];
    ray.at(t, x);
    const float m = magnitude(x);
    return std::max(march.cone * t, march.step * m * m);
}

inline bool look_up(const Ray& ray, float t, const March& march, const std::uint8_t* grid, float* unit) {
    ray.at(t, unit);
    const float m = magnitude(unit);
    const float scale = (2.0f - 1.0f / m) / m * 0.25f;
    int cell[3];
    for (int i = 0; i < 3; ++i) {
        unit[i] = unit[i] * scale + 0.5f;
        cell[i] = std::min(std::max(int(unit[i] * march.side), 0), march.side - 1);
    }
    return grid[(std::int64_t(cell[0]) * march.side + cell[1]) * march.side + cell[2]] != 0;
}

inline Ray ray_of(const float* rays_o, const float* rays_d, std::int64_t r) {
    return {{rays_o[3 * r], rays_o[3 * r + 1], rays_o[3 * r + 2]}, {rays_d[3 * r], rays_d[3 * r + 1], rays_d[3 * r + 2]}};
}

}  // namespace

extern "C" {

int ray_march_count(std::int64_t n_rays, const float* rays_o, const float* rays_d, const float* jitter,
                     const std::uint8_t* grid, const March* march, std::int32_t* counts, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t r = 0; r < n_rays; ++r) {
        const Ray ray = ray_of(rays_o, rays_d, r);
        float t = march->near + jitter[r] * interval(ray, march->near, *march);
        int count = 0;
        for (int k = 0; k < march->max_steps && t < march->far; ++k) {
            const float dt = interval(ray, t, *march);
            float unit[3];
            count += look_up(ray, t + 0.5f * dt, *march, grid, unit);
            t += dt;
        }
        counts[r] = count;
    }
    return 0;
}

int ray_march_fill(std::int64_t n_rays, const float* rays_o, const float* rays_d, const float* jitter,
                    const std::uint8_t* grid, const March* march, const std::int32_t* packed_info,
                    std::int32_t* ray_indices, float* t_starts, float* t_ends, float* unit_points, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t r = 0; r < n_rays; ++r) {
        const Ray ray = ray_of(rays_o, rays_d, r);
        float t = march->near + jitter[r] * interval(ray, march->near, *march);
        std::int64_t index = packed_info[2 * r];
        const std::int64_t last = index + packed_info[2 * r + 1];
        while (index < last && t < march->far) {
            const float dt = interval(ray, t, *march);
            float unit[3];
            if (look_up(ray, t + 0.5f * dt, *march, grid, unit)) {
                ray_indices[index] = std::int32_t(r);
                t_starts[index] = t;
                t_ends[index] = t + dt;
                for (int i = 0; i < 3; ++i) unit_points[3 * index + i] = unit[i];
                ++index;
            }
            t += dt;
        }
    }
    return 0;
}
}
