#include "engine/pieces.h"

#include <algorithm>

#include "engine/ranking.h"

namespace crossrank {
namespace {

PairLengths WholeLengths(const Request& request, size_t document) {
  return {request.query_tokens(document).size(), request.document_tokens(document).size()};
}

bool IsWhole(const Request& request, const Piece& piece) {
  const PairLengths whole = WholeLengths(request, piece.document);
  return piece.query_tokens == whole.query && piece.document_tokens == whole.document;
}

bool ComeOneByOne(const Request& request) {
  return request.options.windows && request.options.windows->stops();
}

bool EndsDocument(const Request& request, float logit) {
  if (!ComeOneByOne(request)) return false;
  ApplyActivation(request.options.activation, {&logit, 1});
  return logit >= request.options.windows->stop_score;
}

// Appends a document's pieces; returns the tokens of query and document that are in none of them.
size_t AppendPieces(const Request& request, uint32_t document, const SequenceLayout& layout,
                    std::vector<Piece>& pieces) {
  const RequestOptions& options = request.options;
  const PairLengths whole = WholeLengths(request, document);
  const size_t room = options.max_tokens - layout.special_tokens();
  const auto append = [&](size_t first, size_t document_tokens, size_t query_tokens) {
    pieces.push_back({document, static_cast<uint32_t>(first), static_cast<uint32_t>(document_tokens),
                      static_cast<uint32_t>(query_tokens)});
  };
  if (!options.windows) {
    const PairLengths kept = TruncatePair(whole, room, options.truncation);
    append(layout.cut_left() ? whole.document - kept.document : 0, kept.document, kept.query);
    return whole.query + whole.document - kept.query - kept.document;
  }
  const WindowPlan plan = PlanWindows(whole, room, options.truncation, *options.windows);
  for (size_t i = 0; i < plan.windows; i++) append(plan.window(i).first, plan.tokens, plan.query);
  return whole.query - plan.query + plan.behind(plan.windows - 1);
}

}  // namespace

PiecePlan PlanPieces(const Request& request, const SequenceLayout& layout) {
  PiecePlan plan;
  plan.pieces.reserve(request.missing.size());
  for (const uint32_t document : request.missing) {
    Progress progress;
    progress.first = progress.best = static_cast<uint32_t>(plan.pieces.size());
    const size_t lost = AppendPieces(request, document, layout, plan.pieces);
    progress.end = static_cast<uint32_t>(plan.pieces.size());
    progress.left = progress.end - progress.first;
    plan.progress.push_back(progress);
    plan.tokens_lost.push_back(static_cast<uint32_t>(lost));
  }
  return plan;
}

std::vector<Job> JobsOf(Request& request, const PiecePlan& plan, const SequenceLayout& layout) {
  const bool one_by_one = ComeOneByOne(request);
  std::vector<Job> jobs;
  jobs.reserve(one_by_one ? plan.progress.size() : plan.pieces.size());
  for (const Progress& progress : plan.progress) {
    const uint32_t end = one_by_one ? progress.first + 1 : progress.end;
    for (uint32_t piece = progress.first; piece < end; piece++) {
      Job job;
      job.request = &request;
      job.piece = piece;
      job.tokens = plan.pieces[piece].tokens(layout.special_tokens());
      jobs.push_back(job);
    }
  }
  return jobs;
}

PairKey KeyOfPiece(const Request& request, const Piece& piece) {
  const PairKey& pair = request.keys[piece.document];
  // A truncated pair's key says how it is cut. What is whole is the same whether it could have been cut or
  // not.
  if (!request.options.windows || IsWhole(request, piece)) return pair;
  return KeyOfWindow(pair, piece.first, piece.document_tokens, piece.query_tokens);
}

Taken TakeLogits(Job& job, Span<const float> logits) {
  Request& request = *job.request;
  const Piece& piece = request.pieces[job.piece];
  Progress& progress = request.progress[piece.document];
  float* const best = request.logits.data() + piece.document * logits.size();
  const bool better =
      progress.scored == 0 || logits[0] > *best || (logits[0] == *best && job.piece < progress.best);
  if (better) {
    std::copy(logits.begin(), logits.end(), best);
    progress.best = job.piece;
  }
  progress.scored++;
  progress.left--;
  request.windows_scored++;
  size_t tokens = job.tokens;
  if (progress.left != 0 && EndsDocument(request, logits[0])) {
    tokens += size_t{progress.left} * job.tokens;  // all are equally long
    request.tokens_lost[piece.document] += request.pieces[progress.end - 1].end() - piece.end();
    progress.left = 0;
  }
  if (progress.left == 0) request.pairs_left--;
  const bool goes_on = progress.left != 0 && ComeOneByOne(request);
  if (goes_on) job.piece++;
  return {tokens, goes_on};
}

TextSpan SpanOf(const Request& request, uint32_t index) {
  const Piece& piece = request.pieces[index];
  const TokenOffsets& offsets = request.offsets[request.queries.size() + piece.document];
  TextSpan span;
  for (size_t token = piece.first; token < piece.end(); token++) {
    const uint32_t start = offsets.starts[token], end = offsets.ends[token];
    if (start == end) continue;  // stands for nothing in the text
    span.start = span.end == 0 ? start : std::min(span.start, start);
    span.end = std::max(span.end, end);
  }
  return span;
}

}  // namespace crossrank
