// The pieces of a request: which there are, and what becomes of a document as their scores come.
#pragma once

#include <vector>

#include "common/span.h"
#include "engine/request.h"
#include "engine/sequence_layout.h"

namespace crossrank {

struct PiecePlan {
  std::vector<Piece> pieces;
  std::vector<Progress> progress;     // [request.missing]
  std::vector<uint32_t> tokens_lost;  // the same
};

// Of the documents that the cache does not know; their texts have been encoded. Throws kInvalidArgument for a
// query that may not be cut and leaves no room.
PiecePlan PlanPieces(const Request& request, const SequenceLayout& layout);

// A job for each piece, or for each document whose windows come one by one.
std::vector<Job> JobsOf(Request& request, const PiecePlan& plan, const SequenceLayout& layout);

// Tells pieces apart that are different work.
PairKey KeyOfPiece(const Request& request, const Piece& piece);

struct Taken {
  size_t tokens;  // of the request's work that are done with it
  bool goes_on;   // the job stands for the document's next window now, which waits for nothing else
};

// Takes the logits of a job's piece.
Taken TakeLogits(Job& job, Span<const float> logits);

// Where a piece lies in its document's text: all that its tokens are made of.
TextSpan SpanOf(const Request& request, uint32_t piece);

}  // namespace crossrank
