// A model that scores, or embeds, batches of token sequences: a row of logits each, or an embedding. Sessions
// are shared by all lanes: Run is thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/cancellation.h"
#include "kernels/kernels.h"
#include "model/graph_writer.h"
#include "model/pooling.h"
#include "runtime/library.h"

namespace crossrank {

// Sequences end to end, without padding.
struct SequenceBatch {
  std::vector<int32_t> ids, position_ids, type_ids;  // [tokens]
  std::vector<int32_t> offsets{0};                   // [sequences + 1]

  size_t tokens() const { return ids.size(); }
  size_t sequences() const { return offsets.size() - 1; }
};

// One run at a time; Terminate may be called from another thread and ends that run within milliseconds. The
// next run needs Reset first, which must not happen at the same time as Terminate.
class RunHandle {
 public:
  void Terminate() {
    terminated_ = true;
    options_.SetTerminate();
  }
  void Reset() {
    terminated_ = false;
    options_.UnsetTerminate();
  }
  bool terminated() const { return terminated_; }
  const Ort::RunOptions& options() const { return options_; }

 private:
  Ort::RunOptions options_;
  std::atomic<bool> terminated_{false};
};

class ScoringSession {
 public:
  virtual ~ScoringSession() = default;
  // logits [sequences, labels]
  virtual void Run(const SequenceBatch& batch, const RunHandle& handle, float* logits) = 0;
  virtual size_t labels() const = 0;
  // Whether it was asked to pool and its graph has done so before.
  virtual bool pools_itself() const { return false; }
  // The first layer that computes something not finite for this batch; empty where all is finite or it is not
  // known.
  virtual std::string FindNonFinite(const SequenceBatch&, const RunHandle&) { return ""; }
};

// Our own graph over packed sequences (model/packed_graph.h). Mapped initializers must outlive the session.
// `program.packing` has been carried out. What is cancelled ends with any error.
std::unique_ptr<ScoringSession> OpenPackedSession(const Library& library, GraphProgram program, size_t labels,
                                                  const kernels::KernelTable& kernels,
                                                  Cancellation& cancellation);

// An exported .onnx graph: every sequence of a batch padded to its longest. With `pooling`, one whose output
// are the states of all tokens, or embeddings.
std::unique_ptr<ScoringSession> OpenPaddedSession(const Library& library, const std::string& path,
                                                  int32_t padding_id,
                                                  const std::optional<PoolingRule>& pooling,
                                                  Cancellation& cancellation);

}  // namespace crossrank
