#include "tests/wire/properties.h"

#include <algorithm>
#include <type_traits>

namespace quorlite::wire {
namespace {

constexpr std::uint64_t kStreamBodyBytesMax = 64 * 1024;

ByteView body_of(const Bytes& message) {
    return ByteView(message).subspan(kHeaderBytes);
}

Header header_of(const Bytes& message) {
    return Header::parse(std::span(message).first<kHeaderBytes>());
}

// Reads all values until the first error; `complete` tells whether there was none.
struct ReadTuple {
    std::vector<Value> values;
    bool complete = true;
};

ReadTuple read_tuple(const Parameters& parameters) {
    ReadTuple tuple;
    ParameterReader reader(parameters);
    while (reader.remaining() > 0) {
        const Result<Value> value = reader.next();
        if (!value.ok()) {
            tuple.complete = false;
            return tuple;
        }
        tuple.values.push_back(*value);
    }
    return tuple;
}

bool same(const std::vector<Value>& left, const std::vector<Value>& right) {
    return std::ranges::equal(left, right, identical);
}

std::vector<std::string_view> read_texts(const Texts& texts) {
    std::vector<std::string_view> read;
    for (TextsReader reader(texts); reader.remaining() > 0;) read.push_back(reader.next());
    return read;
}

// Parameters and texts compare by what is read from them, everything else by its operator.
template <class Field>
bool same_field(const Field& left, const Field& right) {
    if constexpr (std::is_same_v<Field, Texts>) {
        return read_texts(left) == read_texts(right);
    } else if constexpr (std::is_same_v<Field, Parameters>) {
        const ReadTuple mine = read_tuple(left);
        const ReadTuple other = read_tuple(right);
        return left.absent() == right.absent() && left.count() == right.count() &&
               mine.complete == other.complete && same(mine.values, other.values);
    } else {
        return left == right;
    }
}

template <class Message, class Member>
bool same_at(const Message& left, const Message& right, Member Message::* member) {
    return same_field(left.*member, right.*member);
}
template <class Message, class Number>
bool same_at(const Message&, const Message&, Unused<Number>) {
    return true;
}
template <class Message, class Member>
bool same_at(const Message& left, const Message& right, FromSchema1<Member> field) {
    return same_at(left, right, field.member);
}
template <class Message, class Member>
bool same_at(const Message& left, const Message& right, MaybeMissing<Member> field) {
    return same_at(left, right, field.member);
}
template <class Message, class Member>
bool same_at(const Message& left, const Message& right, WideTuple<Member> field) {
    return same_at(left, right, field.member);
}

template <class Message>
bool same_message(const Message& left, const Message& right) {
    if constexpr (requires { left.schema; }) {
        if (left.schema != right.schema) return false;
    }
    if constexpr (requires { left.wants_cluster_id; }) {
        if (left.wants_cluster_id != right.wants_cluster_id) return false;
    }
    return std::apply([&](auto... field) { return (same_at(left, right, field) && ...); },
                      Message::fields());
}

bool same_message(const ServersResponse& left, const ServersResponse& right) {
    return std::ranges::equal(left.servers, right.servers, [](const Server& a, const Server& b) {
        return a.id == b.id && a.address == b.address && a.role == b.role;
    });
}

bool same_message(const StatusResponse& left, const StatusResponse& right) {
    const bool numbers =
        std::apply([&](auto... member) { return ((left.*member == right.*member) && ...); },
                   StatusResponse::numbers());
    return numbers && left.id == right.id && left.state == right.state && left.term == right.term &&
           left.leader == right.leader && left.databases == right.databases &&
           left.cluster == right.cluster;
}

bool same_message(const ColumnsResponse& left, const ColumnsResponse& right) {
    return left.columns == right.columns && left.parameters == right.parameters;
}

bool same_message(const FilesResponse& left, const FilesResponse& right) {
    return std::ranges::equal(left.files, right.files, [](const File& a, const File& b) {
        return a.name == b.name && std::ranges::equal(a.content, b.content);
    });
}

bool same_message(const RowsResponse& left, const RowsResponse& right) {
    return std::ranges::equal(left.content, right.content);
}

template <class Messages>
bool same_messages(const Messages& left, const Messages& right) {
    if (left.index() != right.index()) return false;
    return std::visit(
        [&](const auto& mine) {
            return same_message(mine, *std::get_if<std::decay_t<decltype(mine)>>(&right));
        },
        left);
}

struct Batch {
    std::vector<std::string_view> columns;
    std::vector<std::vector<Value>> rows;
    RowsReader::Step end = RowsReader::Step::kRow;  // kRow: it did not read to its end
};

Batch read_batch(ByteView content) {
    Batch batch;
    Result<RowsReader> reader = RowsReader::open(content);
    if (!reader.ok()) return batch;
    batch.columns = reader->columns();
    std::vector<Value> row;
    for (;;) {
        const Result<RowsReader::Step> step = reader->next(row);
        if (!step.ok()) return batch;
        batch.end = *step;
        if (batch.end != RowsReader::Step::kRow) return batch;
        batch.rows.push_back(row);
    }
}

bool has_long_name(const Response& files) {
    return std::ranges::any_of(std::get<FilesResponse>(files).files, [](const File& file) {
        return file.name.size() > kFileNameBytesMax;
    });
}

class Draw {
public:
    explicit Draw(std::uint64_t seed) : state_(seed * 2 + 1) {}
    std::size_t below(std::size_t bound) {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::size_t>((state_ >> 33) % bound);
    }

private:
    std::uint64_t state_;
};

// Takes whole messages out of the reader and compares them with the stream from `position` on.
struct StreamCheck {
    ByteView stream;
    std::size_t position = 0;
    bool lost = false;
    ByteView held = {};  // the body that the reader lent last

    bool held_is_intact() const {
        return std::ranges::equal(held, stream.subspan(position - held.size(), held.size()));
    }

    std::string_view take(MessageReader& reader, std::size_t fed) {
        for (;;) {
            if (!held_is_intact()) return "a body changed while bytes were fed";
            held = {};
            const Result<std::optional<Message>> message = reader.next();
            const std::size_t left = fed - position;
            const bool headed = left >= kHeaderBytes;
            const Header header =
                headed ? Header::parse(stream.subspan(position).first<kHeaderBytes>()) : Header();
            const bool bad =
                headed && (header.words == 0 || header.body_bytes() > kStreamBodyBytesMax);
            if (message.ok() == bad) return "a header was judged wrongly";
            if (bad) {
                lost = true;
                return {};
            }
            const bool whole = headed && left - kHeaderBytes >= header.body_bytes();
            if (message->has_value() != whole) return "a message came too early or too late";
            if (!whole) return {};
            held = (*message)->body;
            position += kHeaderBytes + held.size();
            if ((*message)->header != header || held.size() != header.body_bytes()) {
                return "a message was cut wrongly";
            }
        }
    }
};

}  // namespace

std::string_view check_request(const Header& header, ByteView body) {
    const DecodedRequest decoded = decode_request(header, body);
    const Request* const request = std::get_if<Request>(&decoded);
    if (request == nullptr) return {};
    Bytes message;
    if (!encode(*request, message).ok()) return "a decoded request does not encode";
    if (message.size() != kHeaderBytes + header_of(message).body_bytes()) {
        return "a header does not tell the size of its body";
    }
    const DecodedRequest again = decode_request(header_of(message), body_of(message));
    const Request* const copy = std::get_if<Request>(&again);
    if (copy == nullptr) return "an encoded request does not decode";
    if (!same_messages(*request, *copy)) return "a request changed by being encoded";
    Bytes second;
    if (!encode(*copy, second).ok() || second != message) return "two encodings differ";
    return {};
}

std::string_view check_response(const Header& header, ByteView body,
                                const ResponseContext& context) {
    const Result<Response> response = decode_response(header, body, context);
    if (!response.ok()) return {};
    if (const auto* rows = std::get_if<RowsResponse>(&*response)) return check_rows(rows->content);
    Bytes message;
    encode(*response, message);
    const Result<Response> again = decode_response(header_of(message), body_of(message), context);
    if (!again.ok()) return "an encoded response does not decode";
    if (!same_messages(*response, *again)) return "a response changed by being encoded";
    Bytes second;
    encode(*again, second);
    if (second != message) return "two encodings differ";
    if (std::holds_alternative<FilesResponse>(*response))
        return check_files(body, 1 + body[0] % 9u);
    return {};
}

std::string_view check_parameters(ByteView tuple, std::uint8_t schema) {
    const std::optional<Parameters> received = Parameters::decode(tuple, schema);
    if (!received.has_value()) return {};
    const ReadTuple read = read_tuple(*received);
    if (!read.complete) return {};
    if (read.values.size() != received->count()) return "a tuple yields another number of values";
    if (received->absent()) return {};
    Bytes encoded;
    Parameters(read.values).encode(schema, encoded);
    if (encoded.size() > tuple.size()) return "an encoded tuple is longer than it was";
    const std::optional<Parameters> again = Parameters::decode(encoded, schema);
    if (!again.has_value()) return "an encoded tuple does not decode";
    const ReadTuple copy = read_tuple(*again);
    if (!copy.complete || !same(read.values, copy.values)) return "values changed by being encoded";
    return {};
}

std::string_view check_rows(ByteView content) {
    const Batch batch = read_batch(content);
    if (batch.end == RowsReader::Step::kRow) return {};
    Bytes message;
    RowsWriter writer;
    writer.columns(batch.columns);
    writer.begin(message);
    for (const std::vector<Value>& values : batch.rows) {
        RowWriter& row = writer.row();
        for (const Value& value : values) row.value(value);
    }
    const std::size_t size = writer.size();
    const bool done = batch.end == RowsReader::Step::kDone;
    writer.finish(done ? RowsEnd::kDone : RowsEnd::kPart);
    if (message.size() != size + kWordBytes) return "a batch has another size than announced";
    if (header_of(message).body_bytes() != body_of(message).size()) return "a batch has no length";
    if (body_of(message).size() > content.size()) return "a written batch is longer than it was";
    const Batch again = read_batch(body_of(message));
    if (again.columns != batch.columns) return "names changed by being written";
    if (again.end != batch.end) return "the end of a batch changed by being written";
    if (!std::ranges::equal(again.rows, batch.rows, same)) return "rows changed by being written";
    return {};
}

std::string_view check_files(ByteView bytes, std::size_t piece) {
    const ByteView body = bytes.first(bytes.size() / kWordBytes * kWordBytes);
    const Header header{.type = static_cast<std::uint8_t>(ResponseType::kFiles)};
    const Result<Response> whole = decode_response(header, body);
    std::vector<std::pair<std::string, Bytes>> files;
    FilesReader reader;
    bool ended = false;
    for (std::size_t at = 0; at < body.size() && !ended; at += piece) {
        ByteView rest = body.subspan(at, std::min(piece, body.size() - at));
        for (bool hungry = false; !hungry && !ended;) {
            const Result<FilesReader::Event> event = reader.next(rest);
            if (!event.ok()) {
                return whole.ok() && !has_long_name(*whole) ? "files are refused only in pieces"
                                                            : "";
            }
            hungry = std::holds_alternative<FilesReader::NeedMore>(*event);
            ended = std::holds_alternative<FilesReader::End>(*event);
            if (const auto* file = std::get_if<FilesReader::FileBegins>(&*event)) {
                files.emplace_back(file->name, Bytes());
            } else if (const auto* part = std::get_if<FilesReader::FileContent>(&*event)) {
                Bytes& content = files.back().second;
                content.insert(content.end(), part->bytes.begin(), part->bytes.end());
            }
            if (hungry && !rest.empty()) return "bytes are left over though more are wanted";
        }
    }
    if (ended != whole.ok()) return "files end only in pieces, or only as a whole";
    if (!ended) return {};
    const bool equal = std::ranges::equal(
        files, std::get<FilesResponse>(*whole).files, [](const auto& mine, const File& file) {
            return mine.first == file.name && std::ranges::equal(mine.second, file.content);
        });
    return equal ? "" : "files differ in pieces and as a whole";
}

std::string_view check_stream(ByteView stream, std::uint64_t seed) {
    Draw draw(seed);
    MessageReader reader(kStreamBodyBytesMax);
    StreamCheck check{.stream = stream};
    std::size_t fed = 0;
    while (fed < stream.size() && !check.lost) {
        const std::size_t most = std::size_t{1} << draw.below(16);
        const std::size_t size = std::min(stream.size() - fed, 1 + draw.below(most));
        reader.feed(stream.subspan(fed, size));
        fed += size;
        if (draw.below(4) == 0) continue;  // let bytes pile up while a body is held
        const std::string_view problem = check.take(reader, fed);
        if (!problem.empty()) return problem;
        const ByteView unread = reader.unread();
        if (!std::ranges::equal(unread, stream.subspan(check.position, fed - check.position))) {
            return "the unread bytes are not those that are left";
        }
        if (reader.prepare().size() > 32 * 1024 + 2 * fed) return "the buffer outgrew its input";
    }
    return {};
}

}  // namespace quorlite::wire
