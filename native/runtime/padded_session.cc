#include <algorithm>
#include <cstring>
#include <filesystem>

#include "common/error.h"
#include "kernels/kernels.h"
#include "runtime/pool_text.h"
#include "runtime/session.h"
#include "runtime/session_options.h"
#include "runtime/tensor_data.h"

namespace crossrank {
namespace {

enum class InputRole { kIds, kMask, kTypes, kPositions };

struct GraphInput {
  std::string name;
  InputRole role;
  bool is_int64;
};

// Scores or embeddings are rows of a batch; the states of tokens are rows of batch and tokens.
struct GraphOutput {
  std::string name;
  ONNXTensorElementDataType type;
  std::vector<int64_t> shape;

  bool of_floats() const {
    return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
  }
  bool per_text() const { return of_floats() && (shape.size() == 1 || (shape.size() == 2 && shape[1] > 0)); }
  bool per_token() const { return of_floats() && shape.size() == 3 && shape[2] > 0; }
};

InputRole RoleOf(const std::string& name) {
  if (name == "input_ids" || name == "input") return InputRole::kIds;
  if (name == "attention_mask" || name == "input_mask" || name == "mask") return InputRole::kMask;
  if (name == "token_type_ids" || name == "segment_ids") return InputRole::kTypes;
  if (name == "position_ids") return InputRole::kPositions;
  throw Error(
      ErrorCode::kModelUnsupported,
      "the exported model has an input \"" + name +
          "\", which is not supported; known are input_ids, attention_mask, token_type_ids and position_ids");
}

class PaddedSession : public ScoringSession {
 public:
  PaddedSession(const Library& library, const std::string& path, int32_t padding_id,
                const std::optional<PoolingRule>& pooling, Cancellation& cancellation)
      : memory_(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault)),
        padding_id_(padding_id),
        pooling_(pooling) {
    Ort::SessionOptions options = SingleThreadedOptions();
    options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
    options.DisableCpuMemArena();  // grows without bound over varying padded shapes
    // SkipLayerNormalization on the CPU is a scalar loop, ten times slower than Add + LayerNormalization.
    options.AddConfigEntry("optimization.disable_specified_optimizers", "SkipLayerNormFusion");
    const auto ending = EndCreationWhen(cancellation, library, options);
    session_ = Ort::Session(*library.env, std::filesystem::u8path(path).c_str(), options);
    ReadInputs();
    output_ = pooling_ ? EmbeddingOutput() : ScoreOutput();
  }

  size_t labels() const override {
    return output_.shape.size() == 1 ? 1 : static_cast<size_t>(output_.shape.back());
  }

  bool pools_itself() const override { return pooling_ && output_.per_text(); }

  void Run(const SequenceBatch& batch, const RunHandle& handle, float* logits) override {
    const size_t rows = batch.sequences();
    size_t columns = 0;
    for (size_t r = 0; r < rows; r++) columns = std::max(columns, Length(batch, r));
    const int64_t shape[2] = {static_cast<int64_t>(rows), static_cast<int64_t>(columns)};

    std::vector<std::vector<int64_t>> storage(inputs_.size(), std::vector<int64_t>(rows * columns));
    std::vector<Ort::Value> values;
    std::vector<const char*> names;
    for (size_t i = 0; i < inputs_.size(); i++) {
      Fill(batch, inputs_[i].role, columns, storage[i]);
      names.push_back(inputs_[i].name.c_str());
      if (inputs_[i].is_int64) {
        values.push_back(
            Ort::Value::CreateTensor<int64_t>(memory_, storage[i].data(), rows * columns, shape, 2));
      } else {
        auto* narrow = reinterpret_cast<int32_t*>(storage[i].data());
        for (size_t k = 0; k < rows * columns; k++) {
          const auto value = static_cast<int32_t>(storage[i][k]);
          std::memcpy(narrow + k, &value, sizeof value);
        }
        values.push_back(Ort::Value::CreateTensor<int32_t>(memory_, narrow, rows * columns, shape, 2));
      }
    }
    const char* const output_names[] = {output_.name.c_str()};
    try {
      const std::vector<Ort::Value> outputs =
          session_.Run(handle.options(), names.data(), values.data(), values.size(), output_names, 1);
      if (output_.per_token()) {
        PoolTokens(outputs[0], batch, columns, logits);
      } else {
        CopyTexts(outputs[0], rows, logits);
      }
    } catch (const Ort::Exception& error) {
      ThrowRuntimeError("ONNX Runtime failed", error);
    }
  }

 private:
  static size_t Length(const SequenceBatch& batch, size_t row) {
    return static_cast<size_t>(batch.offsets[row + 1] - batch.offsets[row]);
  }

  void Fill(const SequenceBatch& batch, InputRole role, size_t columns, std::vector<int64_t>& out) const {
    for (size_t row = 0; row < batch.sequences(); row++) {
      const auto start = static_cast<size_t>(batch.offsets[row]);
      for (size_t column = 0; column < columns; column++) {
        const bool real = column < Length(batch, row);
        int64_t value = 0;
        switch (role) {
          case InputRole::kIds:
            value = real ? batch.ids[start + column] : padding_id_;
            break;
          case InputRole::kMask:
            value = real ? 1 : 0;
            break;
          case InputRole::kTypes:
            value = real ? batch.type_ids[start + column] : 0;
            break;
          case InputRole::kPositions:
            value = real ? batch.position_ids[start + column] : 0;
            break;
        }
        out[row * columns + column] = value;
      }
    }
  }

  void ReadInputs() {
    Ort::AllocatorWithDefaultOptions allocator;
    bool has_ids = false;
    for (size_t i = 0; i < session_.GetInputCount(); i++) {
      GraphInput input;
      input.name = session_.GetInputNameAllocated(i, allocator).get();
      input.role = RoleOf(input.name);
      const auto type = session_.GetInputTypeInfo(i).GetTensorTypeAndShapeInfo().GetElementType();
      if (type != ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 && type != ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32) {
        throw Error(ErrorCode::kModelUnsupported,
                    "the exported model's input \"" + input.name + "\" is not of integers");
      }
      input.is_int64 = type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
      has_ids = has_ids || input.role == InputRole::kIds;
      inputs_.push_back(std::move(input));
    }
    if (!has_ids) throw Error(ErrorCode::kModelUnsupported, "the exported model has no input \"input_ids\"");
  }

  std::vector<GraphOutput> Outputs() const {
    Ort::AllocatorWithDefaultOptions allocator;
    std::vector<GraphOutput> outputs;
    for (size_t i = 0; i < session_.GetOutputCount(); i++) {
      const Ort::TypeInfo type = session_.GetOutputTypeInfo(i);
      const auto info = type.GetTensorTypeAndShapeInfo();
      outputs.push_back(
          {session_.GetOutputNameAllocated(i, allocator).get(), info.GetElementType(), info.GetShape()});
    }
    if (outputs.empty()) throw Error(ErrorCode::kModelUnsupported, "the exported model has no output");
    return outputs;
  }

  static const GraphOutput* Named(const std::vector<GraphOutput>& outputs, const char* name) {
    for (const GraphOutput& output : outputs) {
      if (output.name == name) return &output;
    }
    return nullptr;
  }

  GraphOutput ScoreOutput() const {
    const std::vector<GraphOutput> outputs = Outputs();
    const GraphOutput* named = Named(outputs, "logits");
    const GraphOutput& chosen = named != nullptr ? *named : outputs[0];
    if (!chosen.per_text() || chosen.name == kEmbeddings) {
      throw Error(
          ErrorCode::kModelUnsupported,
          "the exported model's output \"" + chosen.name +
              "\" is no [batch, labels] of floats; a reranker is exported as sequence classification. An "
              "embedding model is loaded with Embedder.load");
    }
    return chosen;
  }

  // The states of tokens, where there are any: then it is ours how they are pooled.
  GraphOutput EmbeddingOutput() const {
    const std::vector<GraphOutput> outputs = Outputs();
    for (const char* name : {"last_hidden_state", "token_embeddings"}) {
      const GraphOutput* states = Named(outputs, name);
      if (states != nullptr && states->per_token()) return *states;
    }
    const GraphOutput* embeddings = Named(outputs, kEmbeddings);
    if (embeddings != nullptr && embeddings->per_text() && embeddings->shape.size() == 2) return *embeddings;
    std::string found;
    for (const GraphOutput& output : outputs) found += (found.empty() ? "\"" : ", \"") + output.name + "\"";
    throw Error(ErrorCode::kModelUnsupported,
                "the exported model has the outputs " + found +
                    "; an embedding model has last_hidden_state [batch, tokens, hidden size] or "
                    "sentence_embedding [batch, dimension], of floats" +
                    (Named(outputs, "logits") != nullptr ? ". A reranker is loaded with Reranker.load" : ""));
  }

  void RequireRows(const Ort::Value& output, size_t rows) const {
    const size_t count = output.GetTensorTypeAndShapeInfo().GetElementCount();
    if (count == rows * labels()) return;
    throw Error(ErrorCode::kModelInvalid, "the exported model returned " + std::to_string(count) +
                                              " values for " + std::to_string(rows) + " rows of " +
                                              std::to_string(labels()));
  }

  // Rows of the output as floats.
  void CopyRows(const Ort::Value& output, size_t first, size_t count, float* out) const {
    if (output_.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
      std::memcpy(out, TensorData<float>(output.GetConst()) + first * labels(),
                  count * labels() * sizeof(float));
      return;
    }
    kernels::RowTable halves;
    halves.values = TensorData<void>(output.GetConst());
    halves.type = kernels::TableType::kF16;
    halves.rows = first + count;
    kernels::Kernels().to_float(halves, first, count, labels(), out);
  }

  void CopyTexts(const Ort::Value& output, size_t rows, float* out) const {
    RequireRows(output, rows);
    CopyRows(output, 0, rows, out);
    if (!pooling_ || !pooling_->normalize) return;
    for (size_t row = 0; row < rows; row++) NormalizeText(out + row * labels(), labels());
  }

  void PoolTokens(const Ort::Value& output, const SequenceBatch& batch, size_t columns, float* out) const {
    RequireRows(output, batch.sequences() * columns);
    std::vector<float> states(columns * labels());
    for (size_t row = 0; row < batch.sequences(); row++) {
      CopyRows(output, row * columns, Length(batch, row), states.data());
      PoolText(states.data(), Length(batch, row), labels(), *pooling_, out + row * labels());
    }
  }

  static constexpr const char* kEmbeddings = "sentence_embedding";

  Ort::MemoryInfo memory_;
  int32_t padding_id_;
  std::optional<PoolingRule> pooling_;
  Ort::Session session_{nullptr};
  std::vector<GraphInput> inputs_;
  GraphOutput output_;
};

}  // namespace

std::unique_ptr<ScoringSession> OpenPaddedSession(const Library& library, const std::string& path,
                                                  int32_t padding_id,
                                                  const std::optional<PoolingRule>& pooling,
                                                  Cancellation& cancellation) {
  try {
    return std::make_unique<PaddedSession>(library, path, padding_id, pooling, cancellation);
  } catch (const Ort::Exception& error) {
    throw Error(ErrorCode::kModelInvalid, path + " does not load: " + error.what());
  }
}

}  // namespace crossrank
