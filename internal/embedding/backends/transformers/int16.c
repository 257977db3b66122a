/* x · weight + bias in integers of 12 bits, for processors with AVX2. `linear.py` lays the weights out.
 *
 * AVX2 multiplies and adds sixteen pairs of 16-bit integers in one instruction, twice as many as of floats, and needs a
 * second one to sum up: 1.6 times the pace of float32. Twelve bits, because products of 512 inputs then never exceed 32
 * bits (2047² · 512 < 2³¹); every 512 inputs the sums go on in float32.
 */
#include <stdint.h>

#define TOP 2047.0f      /* of a quantized number */
#define DEEP 512         /* inputs that are summed up in integers */
#define PANEL 16         /* outputs that are computed together: two registers */
#define TILE 6           /* rows that are computed together: with a panel, twelve registers of sums */
#define ROWS 96          /* quantized at a time: they stay in the second cache while all panels go over them */

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma")))

int novai_int16_works(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

int novai_int16_rows(void) { return ROWS; }

/* One row → integers up to TOP, and what one of them is worth. */
AVX2 static float quantize(const float *x, int16_t *quantized, int inputs) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 most = _mm256_setzero_ps();
    for (int i = 0; i < inputs; i += 8) most = _mm256_max_ps(most, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
    float lanes[8], largest = 1e-30f;
    _mm256_storeu_ps(lanes, most);
    for (int i = 0; i < 8; i++) largest = lanes[i] > largest ? lanes[i] : largest;
    const __m256 factor = _mm256_set1_ps(TOP / largest);
    for (int i = 0; i < inputs; i += 16) {
        const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), factor));
        const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), factor));
        const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
        _mm256_storeu_si256((__m256i *)(quantized + i), packed);
    }
    return largest / TOP;
}

/* A tile: `rows` (known when this is compiled) of x times one panel of the weight, over `deep` inputs. */
AVX2 static inline __attribute__((always_inline)) void multiply(
    const int rows, const int16_t *x, int stride, const int16_t *panel, int deep, const float *units,
    const float *weight_units, const float *before, int before_stride, float *y, int outputs) {
    __m256i sums[TILE][2];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (int i = 0; i < deep; i += 2) {
        const __m256i left = _mm256_loadu_si256((const __m256i *)(panel + i * PANEL));
        const __m256i right = _mm256_loadu_si256((const __m256i *)(panel + i * PANEL + 16));
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            int32_t pair;
            __builtin_memcpy(&pair, x + (int64_t)r * stride + i, sizeof pair);
            const __m256i pairs = _mm256_set1_epi32(pair);
            sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(pairs, left));
            sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(pairs, right));
            /* Keeps rows apart: gcc would multiply all of them first and run out of registers, which halves the pace. */
            __asm__("" : "+x"(sums[r][0]), "+x"(sums[r][1]));
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            const __m256 unit = _mm256_mul_ps(_mm256_set1_ps(units[r]), _mm256_loadu_ps(weight_units + 8 * half));
            const __m256 start = _mm256_loadu_ps(before + (int64_t)r * before_stride + 8 * half);
            const __m256 sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r][half]), unit, start);
            _mm256_storeu_ps(y + (int64_t)r * outputs + 8 * half, sum);
        }
    }
}

/* y (rows × outputs) = x (rows × inputs) · weight + bias, all of them rows after rows of floats, but
 *   weight        outputs/16 panels of inputs/2 × 16 outputs × 2 inputs
 *   weight_units  what an integer of each output is worth
 *   quantized     room for ROWS × inputs
 * Inputs and outputs are multiples of 16. */
AVX2 void novai_int16_linear(const float *x, const int16_t *weight, const float *weight_units, const float *bias,
                             float *y, int16_t *quantized, int64_t all_rows, int inputs, int outputs) {
    float units[ROWS];
    for (int64_t first = 0; first < all_rows; first += ROWS) {
        const int rows = all_rows - first < ROWS ? (int)(all_rows - first) : ROWS;
        for (int r = 0; r < rows; r++)
            units[r] = quantize(x + (first + r) * inputs, quantized + (int64_t)r * inputs, inputs);
        for (int from = 0; from < inputs; from += DEEP) {
            const int deep = inputs - from < DEEP ? inputs - from : DEEP;
            for (int out = 0; out < outputs; out += PANEL) {
                const int16_t *panel = weight + (int64_t)out * inputs + (int64_t)from * PANEL;
                for (int r = 0; r < rows; r += TILE) {
                    float *to = y + (first + r) * outputs + out;
                    const float *before = from ? to : bias + out;
#define MULTIPLY(n)                                                                                                    \
    multiply(n, quantized + (int64_t)r * inputs + from, inputs, panel, deep, units + r, weight_units + out, before,   \
             from ? outputs : 0, to, outputs)
                    switch (rows - r) {
                    case 1: MULTIPLY(1); break;
                    case 2: MULTIPLY(2); break;
                    case 3: MULTIPLY(3); break;
                    case 4: MULTIPLY(4); break;
                    case 5: MULTIPLY(5); break;
                    default: MULTIPLY(TILE);
                    }
                }
            }
        }
    }
}

#else

int novai_int16_works(void) { return 0; }

int novai_int16_rows(void) { return ROWS; }

void novai_int16_linear(void) {}

#endif
