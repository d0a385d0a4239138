// The operators of a graph whose products are ours: between them activations travel as encoded rows
// (kernels/linear.h), and a Linear brings its own epilogue.
#pragma once

#include <optional>

#include "common/aligned_buffer.h"
#include "kernels/decode.h"
#include "runtime/float_operators.h"
#include "runtime/matmul_integer.h"
#include "runtime/operator.h"

namespace crossrank::operators {

template <class Derived>
class RowsKernel : public OperatorKernel<Derived> {
 protected:
  using OperatorKernel<Derived>::OperatorKernel;

  // Encoded rows as the values they stand for.
  void ComputedRows(const uint8_t* rows, size_t count, kernels::Format format, size_t columns) const {
    if (FiniteProbe::OfThisThread() == nullptr) return;
    const size_t stride = kernels::RowStride(format, columns);
    std::vector<float> values(columns);
    for (size_t r = 0; r < count; r++) {
      kernels::DecodeRow(rows + r * stride, columns, format, values.data());
      this->Computed(values.data(), columns);
    }
  }
};

class EncodeKernel : public RowsKernel<EncodeKernel> {
 public:
  EncodeKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : RowsKernel(info, context), format_(static_cast<kernels::Format>(Size(info, "format"))) {}

  void Run(Ort::KernelContext& context) {
    const Ort::ConstValue x = context.GetInput(0);
    const MatrixShape shape = ShapeOf(x);
    uint8_t* out = RowsOutput(context, 0, shape.rows, format_, shape.columns);
    kernels().encode(TensorData<float>(x), shape.rows, shape.columns, format_, out);
  }

 private:
  kernels::Format format_;
};

// The three operators below are one kernel function with different epilogues.
template <class Derived>
class LinearKernel : public RowsKernel<Derived> {
 public:
  LinearKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : RowsKernel<Derived>(info, context), packed_(context.linears.at(Size(info, "linear"))) {
    if (Chosen().run == nullptr) {
      if (format() != kernels::Format::kInt8)
        throw Error(ErrorCode::kRuntime, "this CPU has no kernel for the precision");
      library_product_.emplace(info, packed_.view());
    }
  }

 protected:
  kernels::Format format() const { return packed_.view().format; }
  size_t outputs() const { return packed_.view().outputs; }

  kernels::LinearArgs Arguments(Ort::KernelContext& context) const {
    const Ort::ConstValue x = context.GetInput(0);
    kernels::LinearArgs args{};
    args.weights = packed_.view();
    args.x = TensorData<uint8_t>(x);
    args.rows = ShapeOf(x).rows;
    return args;
  }

  void Multiply(Ort::KernelContext& context, kernels::LinearArgs& args) {
    if (library_product_) {
      library_product_->Multiply(context, args, this->kernels());
      return;
    }
    thread_local AlignedBuffer workspace;
    args.workspace = workspace.Reserve(Chosen().workspace_floats(args.weights, args.rows));
    Chosen().run(args);
  }

 private:
  const kernels::LinearKernel& Chosen() const { return kernels::LinearFor(this->kernels(), format()); }

  const kernels::PackedLinear& packed_;
  std::optional<MatMulInteger> library_product_;  // where the CPU has no int8 kernel of ours
};

// -> fp32
class LinearFloatKernel : public LinearKernel<LinearFloatKernel> {
 public:
  using LinearKernel::LinearKernel;

  void Run(Ort::KernelContext& context) {
    kernels::LinearArgs args = Arguments(context);
    args.out = FloatOutput(context, 0, args.rows, outputs());
    Multiply(context, args);
    Computed(args.out, args.rows * outputs());
  }
};

// -> rows encoded for what reads them, after an activation where the attribute names one
class LinearRowsKernel : public LinearKernel<LinearRowsKernel> {
 public:
  LinearRowsKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : LinearKernel(info, context),
        out_format_(static_cast<kernels::Format>(Size(info, "format"))),
        activation_(info.GetAttribute<int64_t>("activation")) {}

  void Run(Ort::KernelContext& context) {
    kernels::LinearArgs args = Arguments(context);
    args.has_activation = activation_ >= 0;
    if (args.has_activation) args.activation = static_cast<kernels::Activation>(activation_);
    args.encoded_format = out_format_;
    args.encoded = RowsOutput(context, 0, args.rows, out_format_, outputs());
    Multiply(context, args);
    ComputedRows(args.encoded, args.rows, out_format_, outputs());
  }

 private:
  kernels::Format out_format_;
  int64_t activation_;  // none: -1
};

// LayerNorm(Linear(x) + residual) -> fp32, and the same encoded for the next Linear
class LinearNormKernel : public LinearKernel<LinearNormKernel> {
 public:
  LinearNormKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : LinearKernel(info, context), epsilon_(info.GetAttribute<float>("epsilon")) {}

  void Run(Ort::KernelContext& context) {
    kernels::LinearArgs args = Arguments(context);
    args.residual = TensorData<float>(context.GetInput(1));
    args.gamma = TensorData<float>(context.GetInput(2));
    args.beta = TensorData<float>(context.GetInput(3));
    args.epsilon = epsilon_;
    args.out = FloatOutput(context, 0, args.rows, outputs());
    args.encoded_format = format();
    args.encoded = RowsOutput(context, 1, args.rows, format(), outputs());
    Multiply(context, args);
    Computed(args.out, args.rows * outputs());
  }

 private:
  float epsilon_;
};

// bf16 rows of queries and of keys and values (which start at columns k_column and v_column) -> encoded
// context
class AttentionBf16Kernel : public RowsKernel<AttentionBf16Kernel> {
 public:
  AttentionBf16Kernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : RowsKernel(info, context),
        heads_(Size(info, "heads")),
        head_size_(Size(info, "head_size")),
        k_column_(Size(info, "k_column")),
        v_column_(Size(info, "v_column")),
        one_query_(Size(info, "one_query") != 0),
        out_format_(static_cast<kernels::Format>(Size(info, "format"))) {}

  void Run(Ort::KernelContext& context) {
    thread_local AlignedBuffer workspace;
    const Ort::ConstValue q = context.GetInput(0), kv = context.GetInput(1), offsets = context.GetInput(2);
    const MatrixShape queries = ShapeOf(q);
    const size_t columns = heads_ * head_size_;
    const kernels::AttentionBf16Kernel& kernel = kernels().attention_bf16;
    kernels::AttentionBf16Args args{};
    args.q = reinterpret_cast<const uint16_t*>(TensorData<uint8_t>(q));
    args.k = reinterpret_cast<const uint16_t*>(TensorData<uint8_t>(kv)) + k_column_;
    args.v = args.k - k_column_ + v_column_;
    args.q_stride = queries.columns / sizeof(uint16_t);
    args.kv_stride = ShapeOf(kv).columns / sizeof(uint16_t);
    args.offsets = TensorData<int32_t>(offsets);
    args.sequences = ShapeOf(offsets).rows - 1;
    args.one_query = one_query_;
    args.heads = heads_;
    args.head_size = head_size_;
    args.out_format = out_format_;
    args.out = RowsOutput(context, 0, queries.rows, out_format_, columns);
    const size_t longest = LongestSequence(args.offsets, args.sequences);
    args.workspace = workspace.Reserve(kernel.workspace_floats(longest, heads_, head_size_, out_format_));
    kernel.run(args);
    ComputedRows(args.out, queries.rows, out_format_, columns);
  }

 private:
  size_t heads_, head_size_, k_column_, v_column_;
  bool one_query_;
  kernels::Format out_format_;
};

}  // namespace crossrank::operators
