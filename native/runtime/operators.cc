#include "runtime/operators.h"

#include "runtime/float_operators.h"
#include "runtime/operator_names.h"
#include "runtime/row_operators.h"

namespace crossrank::operators {

struct OperatorSet::Parts {
  std::vector<kernels::PackedLinear> linears;
  OperatorContext context;

  Operator<EmbeddingsKernel> embeddings{
      {kEmbeddings, {kInt32, kInt32, kInt32, kFloat, kFloat, kAny, kFloat, kAny, kFloat, kAny, kFloat}, 6},
      context};
  Operator<AttentionKernel> attention{{kAttention, {kFloat, kFloat, kFloat, kFloat, kFloat, kInt32}, 6},
                                      context};
  Operator<BiasActivationKernel> bias_activation{{kBiasActivation, {kFloat, kFloat}, 2, {kFloat}, true},
                                                 context};
  Operator<BiasResidualLayerNormKernel> bias_residual_layer_norm{
      {kBiasResidualLayerNorm, {kFloat, kFloat, kFloat, kFloat, kFloat}, 5, {kFloat}, true}, context};
  Operator<OneTokenKernel> one_token{{kOneToken, {kFloat, kInt32}, 2}, context};
  Operator<PoolKernel> pool{{kPool, {kFloat, kInt32}, 1}, context};

  Operator<EncodeKernel> encode{{kEncode, {kFloat}, 1, {kByte}}, context};
  Operator<LinearFloatKernel> linear_float{{kLinearFloat, {kByte}, 1}, context};
  Operator<LinearRowsKernel> linear_rows{{kLinearRows, {kByte}, 1, {kByte}}, context};
  Operator<LinearNormKernel> linear_norm{{kLinearNorm, {kByte, kFloat, kFloat, kFloat}, 4, {kFloat, kByte}},
                                         context};
  Operator<AttentionBf16Kernel> attention_bf16{{kAttentionBf16, {kByte, kByte, kInt32}, 3, {kByte}}, context};
  Ort::CustomOpDomain domain{kDomain};

  Parts(const kernels::KernelTable& kernels, std::vector<kernels::PackedLinear> packed)
      : linears(std::move(packed)), context{kernels, linears} {
    domain.Add(&embeddings);
    domain.Add(&attention);
    domain.Add(&bias_activation);
    domain.Add(&bias_residual_layer_norm);
    domain.Add(&one_token);
    domain.Add(&pool);
    domain.Add(&encode);
    domain.Add(&linear_float);
    domain.Add(&linear_rows);
    domain.Add(&linear_norm);
    domain.Add(&attention_bf16);
  }
};

OperatorSet::OperatorSet(const kernels::KernelTable& kernels, std::vector<kernels::PackedLinear> linears)
    : parts_(std::make_unique<Parts>(kernels, std::move(linears))) {}

OperatorSet::~OperatorSet() = default;

const Ort::CustomOpDomain& OperatorSet::domain() const { return parts_->domain; }

}  // namespace crossrank::operators
