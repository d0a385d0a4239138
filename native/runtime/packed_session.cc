#include <cstring>

#include "common/error.h"
#include "common/page_buffer.h"
#include "runtime/finite_probe.h"
#include "runtime/operator_names.h"
#include "runtime/operators.h"
#include "runtime/session.h"
#include "runtime/session_options.h"

namespace crossrank {
namespace {

class PackedSession : public ScoringSession {
 public:
  PackedSession(const Library& library, GraphProgram program, size_t labels,
                const kernels::KernelTable& kernels, Cancellation& cancellation)
      : memory_(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault)),
        labels_(labels),
        operators_(kernels, std::move(program.linears)) {
    Ort::SessionOptions options = SingleThreadedOptions();
    options.SetGraphOptimizationLevel(ORT_DISABLE_ALL);  // the graph is written the way it shall run
    options.Add(operators_.domain());
    options.AddConfigEntry("session.model_external_initializers_file_folder_path",
                           program.weight_folder.c_str());
    values_.reserve(program.initializers.size());
    for (const Initializer& initializer : program.initializers) {
      const size_t bytes = initializer.elements() * ElementBytes(initializer.type);
      void* memory = const_cast<void*>(initializer.mapped);
      if (initializer.fill) {
        converted_.emplace_back(bytes);
        memory = converted_.back().data();
        initializer.fill(static_cast<float*>(memory));
      }
      values_.push_back(Ort::Value::CreateTensor(memory_, memory, bytes, initializer.shape.data(),
                                                 initializer.shape.size(),
                                                 static_cast<ONNXTensorElementDataType>(initializer.type)));
      options.AddInitializer(initializer.name.c_str(), values_.back());
    }
    const auto ending = EndCreationWhen(cancellation, library, options);
    session_ = Ort::Session(*library.env, program.model.data(), program.model.size(), options);
    ReleaseConverted(program);
  }

  size_t labels() const override { return labels_; }

  std::string FindNonFinite(const SequenceBatch& batch, const RunHandle& handle) override {
    const FiniteProbe probe;
    std::vector<float> logits(batch.sequences() * labels_);
    Run(batch, handle, logits.data());
    return probe.layer();
  }

  void Run(const SequenceBatch& batch, const RunHandle& handle, float* logits) override {
    const int64_t tokens = static_cast<int64_t>(batch.tokens());
    const int64_t boundaries = static_cast<int64_t>(batch.offsets.size());
    const int64_t logits_shape[2] = {static_cast<int64_t>(batch.sequences()), static_cast<int64_t>(labels_)};
    const Ort::Value inputs[] = {Tensor(batch.ids, &tokens), Tensor(batch.position_ids, &tokens),
                                 Tensor(batch.type_ids, &tokens), Tensor(batch.offsets, &boundaries)};
    Ort::Value output =
        Ort::Value::CreateTensor<float>(memory_, logits, batch.sequences() * labels_, logits_shape, 2);
    const char* const input_names[] = {operators::kInputIds, operators::kPositionIds, operators::kTypeIds,
                                       operators::kOffsets};
    const char* const output_names[] = {operators::kLogits};
    try {
      session_.Run(handle.options(), input_names, inputs, 4, output_names, &output, 1);
    } catch (const Ort::Exception& error) {
      ThrowRuntimeError("ONNX Runtime failed", error);
    }
  }

 private:
  // ONNX Runtime has packed each matrix for its multiplication and reads the original no more, so memory of
  // converted ones can go. It does not promise so: the same tokens must give the same bits before and after,
  // or all is filled again.
  void ReleaseConverted(const GraphProgram& program) {
    if (converted_.empty()) return;
    const std::vector<float> before = Probe();
    size_t next = 0;
    for (const Initializer& initializer : program.initializers) {
      if (!initializer.fill) continue;
      const PageBuffer& memory = converted_[next++];
      if (initializer.shape.size() > 1) memory.Release();
    }
    const std::vector<float> after = Probe();
    if (std::memcmp(before.data(), after.data(), before.size() * sizeof(float)) == 0) return;
    next = 0;
    for (const Initializer& initializer : program.initializers) {
      if (initializer.fill) initializer.fill(static_cast<float*>(converted_[next++].data()));
    }
  }

  std::vector<float> Probe() {
    SequenceBatch batch;
    batch.ids = batch.position_ids = batch.type_ids = {0, 0};
    batch.offsets = {0, 2};
    std::vector<float> logits(labels_);
    Run(batch, RunHandle(), logits.data());
    return logits;
  }

  Ort::Value Tensor(const std::vector<int32_t>& values, const int64_t* size) const {
    return Ort::Value::CreateTensor<int32_t>(memory_, const_cast<int32_t*>(values.data()), values.size(),
                                             size, 1);
  }

  Ort::MemoryInfo memory_;
  size_t labels_;
  operators::OperatorSet operators_;
  std::vector<PageBuffer> converted_;
  std::vector<Ort::Value> values_;
  Ort::Session session_{nullptr};
};

}  // namespace

std::unique_ptr<ScoringSession> OpenPackedSession(const Library& library, GraphProgram program, size_t labels,
                                                  const kernels::KernelTable& kernels,
                                                  Cancellation& cancellation) {
  try {
    return std::make_unique<PackedSession>(library, std::move(program), labels, kernels, cancellation);
  } catch (const Ort::Exception& error) {
    ThrowRuntimeError("ONNX Runtime refused the model's graph", error);
  }
}

}  // namespace crossrank
