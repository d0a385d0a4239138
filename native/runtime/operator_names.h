// The vocabulary that packed graphs (model/) and custom operators (runtime/) share.
#pragma once

namespace crossrank::operators {

constexpr const char* kDomain = "crossrank";

// Embeddings(input_ids, position_ids, type_ids, gamma, beta, words, word_scales?, positions,
// position_scales?,
//            types?, type_scales?; epsilon) -> hidden. A table has scales when it is int8.
constexpr const char* kEmbeddings = "Embeddings";
// Attention(q, k, v, q_bias, v_bias, offsets; heads, head_size, k_column, v_column, one_query) -> context
constexpr const char* kAttention = "Attention";
// BiasActivation(x, bias; activation)
constexpr const char* kBiasActivation = "BiasActivation";
// BiasResidualLayerNorm(x, bias, residual, gamma, beta; epsilon)
constexpr const char* kBiasResidualLayerNorm = "BiasResidualLayerNorm";
// OneToken(hidden, offsets; last) -> of each sequence s row offsets[s], or offsets[s + 1] - 1 where last
constexpr const char* kOneToken = "OneToken";
// Pool(hidden, offsets?; pooling, normalize) -> embeddings [sequences, columns]. Without offsets, hidden is
// one row a sequence.
constexpr const char* kPool = "Pool";

// Where products are ours; "rows" are encoded rows (kernels/linear.h), `linear` is the index of a packed
// weight. Encode(x; format) -> rows
constexpr const char* kEncode = "Encode";
// LinearFloat(rows; linear) -> fp32
constexpr const char* kLinearFloat = "LinearFloat";
// LinearRows(rows; linear, activation, format) -> rows. activation: -1 for none.
constexpr const char* kLinearRows = "LinearRows";
// LinearNorm(rows, residual, gamma, beta; linear, epsilon) -> fp32, rows
constexpr const char* kLinearNorm = "LinearNorm";
// AttentionBf16(q rows, kv rows, offsets; heads, head_size, k_column, v_column, one_query, format) ->
// context rows
constexpr const char* kAttentionBf16 = "AttentionBf16";

constexpr const char* kInputIds = "input_ids";
constexpr const char* kPositionIds = "position_ids";
constexpr const char* kTypeIds = "type_ids";
constexpr const char* kOffsets = "offsets";
constexpr const char* kLogits = "logits";

}  // namespace crossrank::operators
