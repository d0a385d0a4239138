// The operators of an fp32 graph, between ONNX Runtime's matrix products.
#pragma once

#include <cstring>

#include "common/aligned_buffer.h"
#include "runtime/operator.h"
#include "runtime/pool_text.h"

namespace crossrank::operators {

inline size_t LongestSequence(const int32_t* offsets, size_t sequences) {
  size_t longest = 0;
  for (size_t s = 0; s < sequences; s++) {
    const auto length = static_cast<size_t>(offsets[s + 1] - offsets[s]);
    if (length > longest) longest = length;
  }
  return longest;
}

class EmbeddingsKernel : public OperatorKernel<EmbeddingsKernel> {
 public:
  EmbeddingsKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : OperatorKernel(info, context), epsilon_(info.GetAttribute<float>("epsilon")) {}

  void Run(Ort::KernelContext& context) {
    kernels::EmbeddingArgs args{};
    const Ort::ConstValue ids = context.GetInput(0);
    args.ids = TensorData<int32_t>(ids);
    args.tokens = ShapeOf(ids).rows;
    args.position_ids = TensorData<int32_t>(context.GetInput(1));
    args.gamma = TensorData<float>(context.GetInput(3));
    args.beta = TensorData<float>(context.GetInput(4));
    args.words = TableOf(context, 5);
    args.positions = TableOf(context, 7);
    if (context.GetInputCount() > 9) {
      args.types = TableOf(context, 9);
      args.type_ids = TensorData<int32_t>(context.GetInput(2));
    }
    args.columns = ShapeOf(context.GetInput(5)).columns;
    args.epsilon = epsilon_;
    args.out = FloatOutput(context, 0, args.tokens, args.columns);
    kernels().embed(args);
    Computed(args.out, args.tokens * args.columns);
  }

 private:
  static kernels::RowTable TableOf(Ort::KernelContext& context, size_t index) {
    const Ort::ConstValue values = context.GetInput(index);
    kernels::RowTable table;
    table.values = TensorData<void>(values);
    table.rows = ShapeOf(values).rows;
    switch (values.GetTensorTypeAndShapeInfo().GetElementType()) {
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
        table.type = kernels::TableType::kF32;
        return table;
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
        table.type = kernels::TableType::kF16;
        return table;
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16:
        table.type = kernels::TableType::kBf16;
        return table;
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
        table.type = kernels::TableType::kI8;
        table.scales = TensorData<float>(context.GetInput(index + 1));
        return table;
      default:
        throw Error(ErrorCode::kRuntime, "an embedding table has an unexpected type");
    }
  }

  float epsilon_;
};

// q, k and v may be one tensor, whose columns k_column and v_column say where keys and values start.
class AttentionKernel : public OperatorKernel<AttentionKernel> {
 public:
  AttentionKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : OperatorKernel(info, context),
        heads_(Size(info, "heads")),
        head_size_(Size(info, "head_size")),
        k_column_(Size(info, "k_column")),
        v_column_(Size(info, "v_column")),
        one_query_(Size(info, "one_query") != 0) {}

  void Run(Ort::KernelContext& context) {
    thread_local AlignedBuffer workspace;
    const Ort::ConstValue q = context.GetInput(0), k = context.GetInput(1), v = context.GetInput(2);
    const Ort::ConstValue offsets = context.GetInput(5);
    const MatrixShape queries = ShapeOf(q);
    const size_t columns = heads_ * head_size_;
    kernels::AttentionArgs args{};
    args.q = TensorData<float>(q);
    args.k = TensorData<float>(k) + k_column_;
    args.v = TensorData<float>(v) + v_column_;
    args.q_stride = queries.columns;
    args.kv_stride = ShapeOf(k).columns;
    args.q_bias = TensorData<float>(context.GetInput(3));
    args.v_bias = TensorData<float>(context.GetInput(4));
    args.offsets = TensorData<int32_t>(offsets);
    args.sequences = ShapeOf(offsets).rows - 1;
    args.one_query = one_query_;
    args.heads = heads_;
    args.head_size = head_size_;
    args.out = FloatOutput(context, 0, queries.rows, columns);
    const size_t longest = LongestSequence(args.offsets, args.sequences);
    args.workspace = workspace.Reserve(kernels().attention_workspace_floats(longest, head_size_));
    kernels().attention(args);
    Computed(args.out, queries.rows * columns);
  }

 private:
  size_t heads_, head_size_, k_column_, v_column_;
  bool one_query_;
};

class BiasActivationKernel : public OperatorKernel<BiasActivationKernel> {
 public:
  BiasActivationKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : OperatorKernel(info, context),
        activation_(static_cast<kernels::Activation>(info.GetAttribute<int64_t>("activation"))) {}

  void Run(Ort::KernelContext& context) {
    const Ort::ConstValue x = context.GetInput(0);
    const MatrixShape shape = ShapeOf(x);
    float* out = FloatOutput(context, 0, shape.rows, shape.columns);
    kernels().bias_activation(TensorData<float>(x), TensorData<float>(context.GetInput(1)), out, shape.rows,
                              shape.columns, activation_);
    Computed(out, shape.rows * shape.columns);
  }

 private:
  kernels::Activation activation_;
};

class BiasResidualLayerNormKernel : public OperatorKernel<BiasResidualLayerNormKernel> {
 public:
  BiasResidualLayerNormKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : OperatorKernel(info, context), epsilon_(info.GetAttribute<float>("epsilon")) {}

  void Run(Ort::KernelContext& context) {
    const Ort::ConstValue x = context.GetInput(0);
    const MatrixShape shape = ShapeOf(x);
    float* out = FloatOutput(context, 0, shape.rows, shape.columns);
    kernels().bias_residual_layer_norm(
        TensorData<float>(x), TensorData<float>(context.GetInput(1)), TensorData<float>(context.GetInput(2)),
        TensorData<float>(context.GetInput(3)), TensorData<float>(context.GetInput(4)), epsilon_, out,
        shape.rows, shape.columns);
    Computed(out, shape.rows * shape.columns);
  }

 private:
  float epsilon_;
};

class OneTokenKernel : public OperatorKernel<OneTokenKernel> {
 public:
  OneTokenKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : OperatorKernel(info, context), last_(Size(info, "last") != 0) {}

  void Run(Ort::KernelContext& context) {
    const Ort::ConstValue hidden = context.GetInput(0);
    const Ort::ConstValue offsets = context.GetInput(1);
    const size_t columns = ShapeOf(hidden).columns;
    const size_t sequences = ShapeOf(offsets).rows - 1;
    const float* from = TensorData<float>(hidden);
    const int32_t* starts = TensorData<int32_t>(offsets);
    float* out = FloatOutput(context, 0, sequences, columns);
    for (size_t s = 0; s < sequences; s++) {
      const auto token = static_cast<size_t>(last_ ? starts[s + 1] - 1 : starts[s]);
      std::memcpy(out + s * columns, from + token * columns, columns * sizeof(float));
    }
  }

 private:
  bool last_;
};

class PoolKernel : public OperatorKernel<PoolKernel> {
 public:
  PoolKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : OperatorKernel(info, context),
        rule_{static_cast<Pooling>(info.GetAttribute<int64_t>("pooling")), Size(info, "normalize") != 0} {}

  void Run(Ort::KernelContext& context) {
    const Ort::ConstValue hidden = context.GetInput(0);
    const MatrixShape shape = ShapeOf(hidden);
    const bool one_row = context.GetInputCount() < 2;
    const Ort::ConstValue offsets = context.GetInput(one_row ? 0 : 1);
    const size_t sequences = one_row ? shape.rows : ShapeOf(offsets).rows - 1;
    const int32_t* starts = one_row ? nullptr : TensorData<int32_t>(offsets);
    const float* from = TensorData<float>(hidden);
    float* out = FloatOutput(context, 0, sequences, shape.columns);
    for (size_t s = 0; s < sequences; s++) {
      const size_t first = one_row ? s : static_cast<size_t>(starts[s]);
      const size_t end = one_row ? s + 1 : static_cast<size_t>(starts[s + 1]);
      PoolText(from + first * shape.columns, end - first, shape.columns, rule_, out + s * shape.columns);
    }
    Computed(out, sequences * shape.columns);
  }

 private:
  PoolingRule rule_;
};

}  // namespace crossrank::operators
