// Compositing as one would write it in C++: a loop along each ray; threads share the rays.
#include <cmath>
#include <cstdint>

namespace {

template <int C>
void sum_forward(std::int64_t n_rays, const float* weights, const float* values, const std::int32_t* packed_info,
                 float* out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t r = 0; r < n_rays; ++r) {
        const std::int64_t first = packed_info[2 * r], last = first + packed_info[2 * r + 1];
        float total[C] = {};
        for (std::int64_t k = first; k < last; ++k)
            for (int c = 0; c < C; ++c) total[c] += weights[k] * values[k * C + c];
        for (int c = 0; c < C; ++c) out[r * C + c] = total[c];
    }
}

template <int C>
void sum_backward(std::int64_t n_rays, const float* weights, const float* values, const float* grad_out,
                  const std::int32_t* packed_info, float* grad_weights, float* grad_values, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t r = 0; r < n_rays; ++r) {
        const std::int64_t first = packed_info[2 * r], last = first + packed_info[2 * r + 1];
        const float* grad = grad_out + r * C;
        for (std::int64_t k = first; k < last; ++k) {
            float dot = 0.0f;
            for (int c = 0; c < C; ++c) {
                dot += grad[c] * values[k * C + c];
                grad_values[k * C + c] = weights[k] * grad[c];
            }
            grad_weights[k] = dot;
        }
    }
}

}  // namespace

extern "C" {

int weights_forward(std::int64_t n_rays, const float* sigmas, const float* deltas, const std::int32_t* packed_info,
                     float* weights, float* transmittances, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t r = 0; r < n_rays; ++r) {
        const std::int64_t first = packed_info[2 * r], last = first + packed_info[2 * r + 1];
        float trans = 1.0f;
        for (std::int64_t k = first; k < last; ++k) {
            const float passed = std::exp(-sigmas[k] * deltas[k]);
            weights[k] = trans * (1.0f - passed);
            trans *= passed;
            transmittances[k] = trans;
        }
    }
    return 0;
}

int weights_backward(std::int64_t n_rays, const float* weights, const float* transmittances, const float* deltas,
                      const float* grad_weights, const std::int32_t* packed_info, float* grad_sigmas, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t r = 0; r < n_rays; ++r) {
        const std::int64_t first = packed_info[2 * r];
        float behind = 0.0f;
        for (std::int64_t k = first + packed_info[2 * r + 1] - 1; k >= first; --k) {
            grad_sigmas[k] = deltas[k] * (transmittances[k] * grad_weights[k] - behind);
            behind += weights[k] * grad_weights[k];
        }
    }
    return 0;
}

// channels is 4 or 16; -1 is returned for others.
int accumulate_forward(std::int64_t n_rays, std::int64_t channels, const float* weights, const float* values,
                       const std::int32_t* packed_info, float* out, int threads) {
    if (channels == 4) return sum_forward<4>(n_rays, weights, values, packed_info, out, threads), 0;
    if (channels == 16) return sum_forward<16>(n_rays, weights, values, packed_info, out, threads), 0;
    return -1;
}

int accumulate_backward(std::int64_t n_rays, std::int64_t channels, const float* weights, const float* values,
                        const float* grad_out, const std::int32_t* packed_info, float* grad_weights,
                        float* grad_values, int threads) {
    if (channels == 4)
        return sum_backward<4>(n_rays, weights, values, grad_out, packed_info, grad_weights, grad_values, threads), 0;
    if (channels == 16)
        return sum_backward<16>(n_rays, weights, values, grad_out, packed_info, grad_weights, grad_values, threads), 0;
    return -1;
}
}
