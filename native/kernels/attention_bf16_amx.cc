// Attention over bf16 rows by AMX, for one sequence and head at a time.
//
// K and V are packed as weights are (linear.h): keys are the outputs of Q K^T, columns of V those of the
// weighted sum. Then queries go in blocks of up to 32 rows through three steps, with the block of amx_tiles.h
// for both products:
//
//     queries [32][head_size]  x  K^T, panels of 32 keys      -> scores  [32][keys], fp32
//     softmax of each row, in place: bf16 weights in the front half of the row, relative to the largest
//     weights [32][keys]       x  V, panels of 32 columns     -> context [32][head_size], times 1 / sum
//
// Packing starts at the sequence's own first token, so that the order of every sum depends on the sequence
// alone. Keys past the end have weight zero; columns past the head are zeros.
//
// A NaN in q, k or v meets every weight of the rows that see it: maxima may lose it, but its own weight and
// so the sum do not.
#include <math.h>

#include "amx_tiles.h"
#include "attention_softmax_amx.h"
#include "encode.h"
#include "tables.h"

namespace crossrank::kernels {
namespace {

constexpr size_t kMaxBf16HeadSize = 128;
constexpr size_t kBlockQueries = 2 * kTileRows;

// The parts of the workspace, in bytes; all whole lines.
struct AttentionLayout {
  size_t head_steps, key_steps;  // k-steps of the two products
  size_t score_stride;           // in floats; an odd number of lines, as between activations
  size_t values_at, scores_at, context_at, total;

  AttentionLayout(size_t keys, size_t heads, size_t head_size, Format out_format) {
    head_steps = Steps(Format::kBf16, head_size);
    key_steps = Steps(Format::kBf16, keys);
    score_stride = (key_steps * 2 | 1) * (kLineBytes / sizeof(float));
    values_at = Panels(keys) * head_steps * StepPanelBytes(Format::kBf16);
    scores_at = values_at + Panels(head_size) * key_steps * StepPanelBytes(Format::kBf16);
    context_at = scores_at + kBlockQueries * score_stride * sizeof(float);
    // int8 rows need their largest value first, over all heads: they wait here as fp32.
    const size_t context = out_format == Format::kInt8 ? keys * heads * head_size * sizeof(float) : 0;
    total = context_at + (context + kLineBytes - 1) / kLineBytes * kLineBytes;
  }
};

size_t WorkspaceFloats(size_t longest_sequence, size_t heads, size_t head_size, Format out_format) {
  return AttentionLayout(longest_sequence, heads, head_size, out_format).total / sizeof(float);
}

// One sequence and head.
struct Head {
  const uint16_t *q, *k, *v;  // first row of the sequence, first column of the head
  size_t q_stride, kv_stride;
  size_t keys, size;
  size_t head_steps, key_steps, score_stride;
  float scale;  // of scores, for exp2
  uint8_t *packed_keys, *packed_values;
  float* scores;
  // One of both: encoded rows, or fp32 rows that are encoded later. At the head's first column.
  uint8_t* encoded;
  float* context;
  size_t out_stride;  // of that one, in its elements
};

CROSSRANK_INLINE __mmask32 First32(size_t n) { return n >= 32 ? 0xFFFFFFFFu : (1u << n) - 1u; }

// Tiles of 16 keys x 32 columns, transposed in pairs of columns.
void PackKeys(const Head& head) {
  for (size_t j = 0; j < head.keys; j += kTileRows) {
    const size_t panel = j / kPanelOutputs, half = j % kPanelOutputs / kTileRows;
    uint8_t* tile = head.packed_keys + (panel * head.head_steps * 2 + half) * kTileBytes;
    for (size_t d = 0; d < head.size; d += 32, tile += 2 * kTileBytes) {
      const __mmask32 columns = First32(head.size - d);
      __m512i rows[kTileRows];
      CROSSRANK_UNROLL
      for (size_t r = 0; r < kTileRows; ++r) {
        rows[r] = j + r < head.keys ? _mm512_maskz_loadu_epi16(columns, head.k + (j + r) * head.kv_stride + d)
                                    : _mm512_setzero_si512();
      }
      TransposeWords(rows);
      CROSSRANK_UNROLL
      for (size_t r = 0; r < kTileRows; ++r) _mm512_store_si512(tile + r * kLineBytes, rows[r]);
    }
  }
}

// Two keys a tile row: their values side by side, column for column.
void PackValues(const Head& head) {
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i both_halves = _mm512_or_si512(lanes, _mm512_slli_epi32(lanes, 16));
  const __m512i low = _mm512_add_epi32(both_halves, _mm512_set1_epi32(32 << 16));
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(16 << 16 | 16));
  for (size_t j = 0; j < head.key_steps * 32; j += 2) {
    const uint16_t* v = head.v + j * head.kv_stride;
    uint8_t* row = head.packed_values + j / 32 * (2 * kTileBytes) + j % 32 / 2 * kLineBytes;
    for (size_t d = 0; d < head.size; d += 32, row += head.key_steps * 2 * kTileBytes) {
      const __mmask32 columns = First32(head.size - d);
      const __m512i even = _mm512_maskz_loadu_epi16(j < head.keys ? columns : 0, v + d);
      const __m512i odd = _mm512_maskz_loadu_epi16(j + 1 < head.keys ? columns : 0, v + head.kv_stride + d);
      _mm512_store_si512(row, _mm512_permutex2var_epi16(even, low, odd));
      _mm512_store_si512(row + kTileBytes, _mm512_permutex2var_epi16(even, high, odd));
    }
  }
}

// The block's context of one panel of V, rows of 32 floats.
void StoreContext(const Head& head, const float* tile, const float* inverse_sums, size_t first, size_t rows,
                  size_t column) {
  const size_t n = head.size - column;
  for (size_t r = 0; r < rows; ++r) {
    const __m512 inverse = _mm512_set1_ps(inverse_sums[r]);
    const __m512 low = _mm512_mul_ps(_mm512_load_ps(tile + r * kPanelOutputs), inverse);
    const __m512 high = _mm512_mul_ps(_mm512_load_ps(tile + r * kPanelOutputs + 16), inverse);
    if (head.encoded != nullptr) {
      uint8_t* to = head.encoded + (first + r) * head.out_stride + column * sizeof(uint16_t);
      _mm512_mask_storeu_epi16(to, First32(n), PairToBf16(low, high));
    } else {
      float* to = head.context + (first + r) * head.out_stride + column;
      _mm512_mask_storeu_ps(to, Vec::First(n), low);
      _mm512_mask_storeu_ps(to + 16, Vec::First(n > 16 ? n - 16 : 0), high);
    }
  }
}

// Queries [first, first + rows). They are copied, with zeros around them: a tile load reads whole rows and
// tiles, past the head and past the last query.
template <int kRowTiles>
void QueryBlock(const Head& head, size_t first, size_t rows) {
  using Wide = BlockShape<kRowTiles, 2>;
  using Narrow = BlockShape<kRowTiles, 1>;  // where only half a panel is left
  constexpr size_t kMaxSteps = kMaxBf16HeadSize / 32;
  alignas(kLineBytes) uint8_t queries[kRowTiles * kTileRows * (kMaxSteps | 1) * kLineBytes];
  const size_t query_stride = (head.head_steps | 1) * kLineBytes;
  for (size_t r = 0; r < kRowTiles * kTileRows; ++r) {
    for (size_t d = 0; d < head.size; d += 32) {
      const __mmask32 columns = r < rows ? First32(head.size - d) : 0;
      const uint16_t* from = head.q + (first + r) * head.q_stride + d;
      _mm512_store_si512(queries + r * query_stride + d * sizeof(uint16_t),
                         _mm512_maskz_loadu_epi16(columns, from));
    }
  }

  const RowTiles query_tiles = {queries, queries + (kRowTiles - 1) * kTileRows * query_stride, query_stride};
  float* const bottom_scores = head.scores + (kRowTiles - 1) * kTileRows * head.score_stride;
  for (size_t j = 0; j < head.keys; j += kPanelOutputs) {
    const uint8_t* panel = head.packed_keys + j / kPanelOutputs * head.head_steps * 2 * kTileBytes;
    if (head.keys - j > kTileRows) {
      MultiplyBlock<Bf16Products, Wide>(query_tiles, panel, head.head_steps, head.scores + j,
                                        bottom_scores + j, head.score_stride);
    } else {
      MultiplyBlock<Bf16Products, Narrow>(query_tiles, panel, head.head_steps, head.scores + j,
                                          bottom_scores + j, head.score_stride);
    }
  }

  alignas(kLineBytes) float inverse_sums[kRowTiles * kTileRows];
  for (size_t r = 0; r < rows; r += kTileRows) {
    const size_t tile_rows = rows - r < kTileRows ? rows - r : kTileRows;
    const __m512 inverse =
        WeighRows(head.scores + r * head.score_stride, head.score_stride, tile_rows, head.keys, head.scale);
    _mm512_store_ps(inverse_sums + r, inverse);
  }

  const RowTiles weight_tiles = {reinterpret_cast<const uint8_t*>(head.scores),
                                 reinterpret_cast<const uint8_t*>(bottom_scores),
                                 head.score_stride * sizeof(float)};
  alignas(kLineBytes) float tile[kRowTiles * kTileRows * kPanelOutputs];
  float* const bottom_tile = tile + (kRowTiles - 1) * kTileRows * kPanelOutputs;
  for (size_t d = 0; d < head.size; d += kPanelOutputs) {
    const uint8_t* panel = head.packed_values + d / kPanelOutputs * head.key_steps * 2 * kTileBytes;
    if (head.size - d > kTileRows) {
      MultiplyBlock<Bf16Products, Wide>(weight_tiles, panel, head.key_steps, tile, bottom_tile,
                                        kPanelOutputs);
    } else {
      MultiplyBlock<Bf16Products, Narrow>(weight_tiles, panel, head.key_steps, tile, bottom_tile,
                                          kPanelOutputs);
    }
    StoreContext(head, tile, inverse_sums, first, rows, d);
  }
}

// The zeros that bf16 rows end with.
void PadRows(uint8_t* rows, size_t count, size_t columns) {
  const size_t padding = Steps(Format::kBf16, columns) * 32 - columns;
  for (size_t r = 0; padding > 0 && r < count; ++r) {
    uint8_t* end = rows + r * RowStride(Format::kBf16, columns) + columns * sizeof(uint16_t);
    _mm512_mask_storeu_epi16(end, First32(padding), _mm512_setzero_si512());
  }
}

void Run(const AttentionBf16Args& args) {
  constexpr double kLog2E = 1.44269504088896340736;
  const TileScope tiles;
  const size_t columns = args.heads * args.head_size;
  const size_t encoded_stride = RowStride(args.out_format, columns);
  const bool whole_rows = args.out_format == Format::kInt8;
  uint8_t* const workspace = reinterpret_cast<uint8_t*>(args.workspace);
  Head head = {};
  head.q_stride = args.q_stride;
  head.kv_stride = args.kv_stride;
  head.size = args.head_size;
  head.scale = static_cast<float>(kLog2E / sqrt(static_cast<double>(args.head_size)));
  head.out_stride = whole_rows ? columns : encoded_stride;
  for (size_t s = 0; s < args.sequences; ++s) {
    const size_t first_token = static_cast<size_t>(args.offsets[s]);
    head.keys = static_cast<size_t>(args.offsets[s + 1]) - first_token;
    if (head.keys == 0) continue;
    const size_t first_query = args.one_query ? s : first_token;
    const size_t queries = args.one_query ? 1 : head.keys;
    const AttentionLayout layout(head.keys, args.heads, args.head_size, args.out_format);
    head.head_steps = layout.head_steps;
    head.key_steps = layout.key_steps;
    head.score_stride = layout.score_stride;
    head.packed_keys = workspace;
    head.packed_values = workspace + layout.values_at;
    head.scores = reinterpret_cast<float*>(workspace + layout.scores_at);
    uint8_t* const encoded = args.out + first_query * encoded_stride;
    float* const context = reinterpret_cast<float*>(workspace + layout.context_at);
    for (size_t h = 0; h < args.heads; ++h) {
      const size_t column = h * args.head_size;
      head.q = args.q + first_query * args.q_stride + column;
      head.k = args.k + first_token * args.kv_stride + column;
      head.v = args.v + first_token * args.kv_stride + column;
      head.encoded = whole_rows ? nullptr : encoded + column * sizeof(uint16_t);
      head.context = context + column;
      PackKeys(head);
      PackValues(head);
      for (size_t q = 0; q < queries; q += kBlockQueries) {
        if (queries - q > kTileRows) {
          QueryBlock<2>(head, q, queries - q < kBlockQueries ? queries - q : kBlockQueries);
        } else {
          QueryBlock<1>(head, q, queries - q);
        }
      }
    }
    if (whole_rows) {
      Encode(context, queries, columns, args.out_format, encoded);
    } else {
      PadRows(encoded, queries, columns);
    }
  }
}

}  // namespace

const AttentionBf16Kernel kAttentionBf16Amx = {"amx-bf16", Run, WorkspaceFloats};

}  // namespace crossrank::kernels
