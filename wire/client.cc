#include "wire/client.h"

#include <algorithm>
#include <concepts>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <utility>

namespace quorlite::wire {
namespace {

constexpr std::uint64_t kWordsMax = std::numeric_limits<std::uint32_t>::max();

// MessageReader: least room offered for reading, size of a new buffer, and the size above which a
// buffer is given back once its messages are consumed.
constexpr std::size_t kRoomBytesMin = 4096;
constexpr std::size_t kBufferBytesMin = 8192;
constexpr std::size_t kBufferBytesKept = std::size_t{256} * 1024;

constexpr std::uint64_t kUnsupportedSqlSchema = code::kError;
constexpr std::uint64_t kUnsupportedSchema = code::kParse;

Error out_of_step(std::string what) {
    return Error{code::kProtocol, std::move(what)};
}

// ---- One layout, two directions: how each kind of field is written and read ----

template <class Message>
concept HasSchema = requires(Message message) { message.schema; };

template <class Message>
concept HasParameters = requires(Message message) { message.parameters; };

template <class Message>
concept MayWantClusterId = requires(Message message) { message.wants_cluster_id; };

template <class Message>
concept HasFields = requires { Message::fields(); };

template <class Field>
concept Number = std::integral<Field> || std::is_enum_v<Field>;

template <Number Field>
using Raw = std::conditional_t<sizeof(Field) == 4, std::uint32_t, std::uint64_t>;

// Appends the fields of a message in the order of its table.
class FieldWriter {
public:
    FieldWriter(Bytes& out, std::uint8_t schema) : out_(out), schema_(schema) {}

    template <HasFields Message>
    void write(const Message& message) {
        std::apply([&](auto... field) { (visit(message, field), ...); }, Message::fields());
    }

private:
    template <class Message, class Member>
    void visit(const Message& message, Member Message::* member) {
        put(message.*member);
    }
    template <class Message, class Unsigned>
    void visit(const Message&, Unused<Unsigned>) {
        put(Unsigned{0});
    }
    template <class Message, class Member>
    void visit(const Message& message, FromSchema1<Member> field) {
        if (schema_ >= 1) put(message.*field.member);
    }
    template <class Message, class Member>
    void visit(const Message& message, MaybeMissing<Member> field) {
        if ((message.*field.member).has_value()) put(*(message.*field.member));
    }
    template <class Message, class Member>
    void visit(const Message& message, WideTuple<Member> field) {
        (message.*field.member).encode(kWideTuple, out_);
    }

    template <Number Field>
    void put(Field number) {
        const std::size_t at = out_.size();
        out_.resize(at + sizeof(Raw<Field>));
        store_little(out_.data() + at, static_cast<Raw<Field>>(number));
    }
    void put(NodeId id) { put(id.value()); }
    void put(const ClusterId& id) {
        put(id.high);
        put(id.low);
    }
    void put(std::string_view text) { append_text(out_, text); }
    void put(const Texts& texts) { texts.encode(out_); }
    void put(const Parameters& parameters) { parameters.encode(schema_, out_); }

    Bytes& out_;
    std::uint8_t schema_;
};

// Reads the fields of a message in the order of its table; failed() if they are not all there.
class FieldReader {
public:
    FieldReader(ByteView body, std::uint8_t schema) : in_(body), schema_(schema) {}

    template <HasFields Message>
    void read(Message& message) {
        std::apply([&](auto... field) { (visit(message, field), ...); }, Message::fields());
        if constexpr (HasSchema<Message>) message.schema = schema_;
    }
    bool failed() const { return in_.failed(); }
    bool exhausted() const { return in_.remaining() == 0; }

private:
    template <class Message, class Member>
    void visit(Message& message, Member Message::* member) {
        get(message.*member);
    }
    template <class Message, class Unsigned>
    void visit(Message&, Unused<Unsigned>) {
        in_.take(sizeof(Unsigned));
    }
    template <class Message, class Member>
    void visit(Message& message, FromSchema1<Member> field) {
        if (schema_ >= 1) get(message.*field.member);
    }
    template <class Message, class Member>
    void visit(Message& message, MaybeMissing<Member> field) {
        auto& optional = message.*field.member;
        if (in_.remaining() >= sizeof(*optional)) get(optional.emplace());
    }
    template <class Message, class Member>
    void visit(Message& message, WideTuple<Member> field) {
        get(message.*field.member, kWideTuple);
    }

    template <Number Field>
    void get(Field& number) {
        if constexpr (sizeof(Field) == 4) {
            number = static_cast<Field>(in_.u32());
        } else {
            number = static_cast<Field>(in_.u64());
        }
    }
    void get(NodeId& id) { id = NodeId(in_.u64()); }
    void get(ClusterId& id) { id = ClusterId{.high = in_.u64(), .low = in_.u64()}; }
    void get(std::string_view& text) { text = read_text(in_); }
    void get(Texts& texts) { texts = Texts::decode(in_); }
    void get(Parameters& parameters) { get(parameters, schema_); }
    void get(Parameters& parameters, std::uint8_t schema) {
        if (in_.failed()) return;
        const std::optional<Parameters> decoded = Parameters::decode(in_.rest(), schema);
        if (decoded.has_value()) {
            parameters = *decoded;
        } else {
            in_.fail();
        }
    }

    ByteReader in_;
    std::uint8_t schema_;
};

// ---- Encoding ----

template <class Message>
std::uint8_t schema_of(const Message& message) {
    if constexpr (HasParameters<Message> && HasSchema<Message>) {
        return message.parameters.schema(message.schema);
    } else if constexpr (HasSchema<Message>) {
        return message.schema;
    } else {
        return 0;
    }
}

void write_body(const ServersResponse& response, Bytes& out) {
    ByteWriter writer(out);
    writer.u64(response.servers.size());
    for (const Server& server : response.servers) {
        writer.u64(server.id.value());
        append_text(out, server.address);
        if (response.format != ServersFormat::kAddresses) {
            writer.u64(static_cast<std::uint64_t>(server.role));
        }
    }
}

void write_body(const FilesResponse& response, Bytes& out) {
    ByteWriter writer(out);
    writer.u64(response.files.size());
    for (const File& file : response.files) {
        begin_file(FileSize{file.name, file.content.size()}, out);
        writer.bytes(file.content);
    }
}

void write_body(const StatusResponse& response, Bytes& out) {
    ByteWriter writer(out);
    writer.u64(response.id.value());
    writer.u64(static_cast<std::uint64_t>(response.state));
    writer.u64(response.term);
    writer.u64(response.leader.value());
    std::apply([&](auto... member) { (writer.u64(response.*member), ...); },
               StatusResponse::numbers());
    writer.u64(response.databases.size());
    for (const std::string_view each : response.databases) append_text(out, each);
    writer.u64(response.cluster.high);
    writer.u64(response.cluster.low);
}

void write_body(const ColumnsResponse& response, Bytes& out) {
    ByteWriter writer(out);
    writer.u64(response.columns.size());
    for (const Column& column : response.columns) {
        append_text(out, column.name);
        append_text(out, column.declared_type);
        writer.u64(column.flags);
        append_text(out, column.table);
        append_text(out, column.origin);
    }
    Texts(response.parameters).encode(out);
}

void write_body(const RowsResponse& response, Bytes& out) {
    ByteWriter(out).bytes(response.content);
}

template <HasFields Message>
void write_body(const Message& message, Bytes& out) {
    FieldWriter(out, schema_of(message)).write(message);
}

// Appends header and body; returns the size of the body.
template <class Message>
std::uint64_t append_message(const Message& message, Bytes& out) {
    const std::size_t start = out.size();
    const auto type = static_cast<std::uint8_t>(Message::kType);
    Header header{.type = type, .schema = schema_of(message)};
    if constexpr (MayWantClusterId<Message>) {
        if (message.wants_cluster_id) header.extra = kWantsClusterId;
    }
    header.append_to(out);
    write_body(message, out);
    const std::uint64_t body = out.size() - start - kHeaderBytes;
    store_little(out.data() + start, static_cast<std::uint32_t>(body / kWordBytes));
    return body;
}

// ---- Decoding ----

template <class Message>
DecodedRequest decode_request_as(const Header& header, ByteView body) {
    constexpr std::uint8_t kSchemaMax = HasSchema<Message> ? 1 : 0;
    constexpr bool kAnySchema = std::same_as<Message, ConnectRequest>;
    if (header.schema > kSchemaMax && !kAnySchema) {
        return FailureResponse{HasSchema<Message> ? kUnsupportedSqlSchema : kUnsupportedSchema,
                               "unrecognized schema version"};
    }
    Message message;
    FieldReader reader(body, header.schema);
    reader.read(message);
    if (reader.failed()) return Malformed{"the fields are not all there"};
    if constexpr (MayWantClusterId<Message>) {
        message.wants_cluster_id = (header.extra & kWantsClusterId) != 0;
    }
    return Request(message);
}

using RequestDecoder = DecodedRequest (*)(const Header&, ByteView);

template <class... Messages>
constexpr auto make_request_decoders(std::type_identity<std::variant<Messages...>>) {
    std::array<RequestDecoder, 256> decoders{};
    ((decoders[static_cast<std::size_t>(Messages::kType)] = &decode_request_as<Messages>), ...);
    return decoders;
}

constexpr auto kRequestDecoders = make_request_decoders(std::type_identity<Request>());

template <HasFields Message>
Result<Response> decode_response_as(const Header& header, ByteView body) {
    if (header.schema > (HasSchema<Message> ? 1 : 0)) {
        return out_of_step(std::string(Message::kName) + " has an unknown schema");
    }
    Message message;
    FieldReader reader(body, header.schema);
    reader.read(message);
    if (reader.failed()) {
        return out_of_step("the fields of " + std::string(Message::kName) + " are not all there");
    }
    return Response(message);
}

bool has_zero_byte(ByteView word) {
    return std::ranges::find(word, 0) != word.end();
}

// The code and message at the very end of a body that begins with left-over rows. They are found
// from the end: the text has no zero byte before its last word, and every code has one.
std::optional<FailureResponse> trailing_failure(ByteView body) {
    if (body.size() < 2 * kWordBytes) return std::nullopt;
    std::size_t text = body.size() - kWordBytes;
    while (text >= kWordBytes && !has_zero_byte(body.subspan(text - kWordBytes, kWordBytes))) {
        text -= kWordBytes;
    }
    if (text == 0) return std::nullopt;
    FailureResponse failure;
    FieldReader reader(body.subspan(text - kWordBytes), 0);
    reader.read(failure);
    const bool plausible = failure.code >= 1 && failure.code <= 0x7fffffff;
    if (reader.failed() || !reader.exhausted() || !plausible || failure.message.empty()) {
        return std::nullopt;
    }
    return failure;
}

Result<Response> decode_failure(const Header& header, ByteView body) {
    if (header.schema > 0) return decode_response_as<FailureResponse>(header, body);
    FailureResponse failure;
    FieldReader reader(body, header.schema);
    reader.read(failure);
    if (!reader.failed() && reader.exhausted()) return Response(failure);
    if (const auto trailing = trailing_failure(body)) return Response(*trailing);
    if (reader.failed()) return out_of_step("the fields of FAILURE are not all there");
    return Response(failure);
}

Result<Response> decode_servers(ByteView body, ServersFormat format) {
    ServersResponse response{.format = format};
    ByteReader in(body);
    const std::uint64_t count = in.u64();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        Server server;
        server.id = NodeId(in.u64());
        server.address = read_text(in);
        if (format != ServersFormat::kAddresses) server.role = static_cast<Role>(in.u64());
        response.servers.push_back(server);
    }
    if (in.failed()) return out_of_step("the list of servers is not all there");
    return Response(std::move(response));
}

Result<Response> decode_status(ByteView body) {
    StatusResponse response;
    ByteReader in(body);
    response.id = NodeId(in.u64());
    response.state = static_cast<ElectionState>(in.u64());
    response.term = in.u64();
    response.leader = NodeId(in.u64());
    std::apply([&](auto... member) { ((response.*member = in.u64()), ...); },
               StatusResponse::numbers());
    const std::uint64_t count = in.u64();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        response.databases.push_back(read_text(in));
    }
    if (in.failed()) return out_of_step("the status is not all there");
    if (in.remaining() >= sizeof(ClusterId)) {
        response.cluster = ClusterId{.high = in.u64(), .low = in.u64()};
    }
    return Response(std::move(response));
}

Result<Response> decode_columns(ByteView body) {
    ColumnsResponse response;
    ByteReader in(body);
    const std::uint64_t count = in.u64();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        Column column;
        column.name = read_text(in);
        column.declared_type = read_text(in);
        column.flags = in.u64();
        column.table = read_text(in);
        column.origin = read_text(in);
        response.columns.push_back(column);
    }
    TextsReader names(Texts::decode(in));
    if (in.failed()) return out_of_step("the columns are not all there");
    while (names.remaining() > 0) response.parameters.push_back(names.next());
    return Response(std::move(response));
}

Result<Response> decode_files(ByteView body) {
    FilesResponse response;
    ByteReader in(body);
    const std::uint64_t count = in.u64();
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        File file;
        file.name = read_text(in);
        file.content = in.take(in.u64());
        if (file.content.size() % kWordBytes != 0) in.fail();
        response.files.push_back(file);
    }
    if (in.failed()) return out_of_step("the files are not all there");
    return Response(std::move(response));
}

}  // namespace

Header Header::parse(std::span<const std::uint8_t, kHeaderBytes> bytes) {
    return Header{.words = load_little<std::uint32_t>(bytes.data()),
                  .type = bytes[4],
                  .schema = bytes[5],
                  .extra = load_little<std::uint16_t>(bytes.data() + 6)};
}

void Header::append_to(Bytes& out) const {
    ByteWriter writer(out);
    writer.u32(words);
    writer.u8(type);
    writer.u8(schema);
    writer.u16(extra);
}

Texts Texts::decode(ByteReader& in) {
    Texts texts;
    const std::uint64_t count = in.u64();
    if (in.failed()) return texts;
    texts.received_ = in.rest();
    for (; texts.count_ < count && !in.failed(); ++texts.count_) read_text(in);
    return texts;
}

void Texts::encode(Bytes& out) const {
    ByteWriter(out).u64(count_);
    for (TextsReader texts(*this); texts.remaining() > 0;) append_text(out, texts.next());
}

std::string_view TextsReader::next() {
    if (remaining() == 0) std::abort();
    const std::size_t at = position_++;
    return texts_.sent_.empty() ? read_text(received_) : texts_.sent_[at];
}

std::string_view name_of(const Request& request) {
    return std::visit([](const auto& message) { return message.kName; }, request);
}

std::string_view name_of(const Response& response) {
    return std::visit([](const auto& message) { return message.kName; }, response);
}

Status encode(const Request& request, Bytes& out) {
    const std::size_t start = out.size();
    const std::uint64_t body =
        std::visit([&](const auto& message) { return append_message(message, out); }, request);
    if (body <= kBodyBytesMax) return {};
    out.resize(start);
    return Error{code::kError, "the request is longer than the protocol allows"};
}

void encode(const Response& response, Bytes& out) {
    const std::uint64_t body =
        std::visit([&](const auto& message) { return append_message(message, out); }, response);
    if (body % kWordBytes != 0 || body > kWordsMax * kWordBytes) std::abort();
}

DecodedRequest decode_request(const Header& header, ByteView body) {
    if (body.size() % kWordBytes != 0) return Malformed{"the body is not whole words"};
    const RequestDecoder decoder = kRequestDecoders[header.type];
    if (decoder == nullptr) {
        return FailureResponse{code::kParse, "unrecognized request type"};
    }
    return decoder(header, body);
}

Result<Response> decode_response(const Header& header, ByteView body,
                                 const ResponseContext& context) {
    if (body.size() % kWordBytes != 0) return out_of_step("the body is not whole words");
    switch (static_cast<ResponseType>(header.type)) {
        case ResponseType::kFailure:
            return decode_failure(header, body);
        case ResponseType::kServer:
            return context.legacy ? decode_response_as<LegacyServerResponse>(header, body)
                                  : decode_response_as<ServerResponse>(header, body);
        case ResponseType::kWelcome:
            return decode_response_as<WelcomeResponse>(header, body);
        case ResponseType::kServers:
            return decode_servers(body, context.servers);
        case ResponseType::kDb:
            return decode_response_as<DbResponse>(header, body);
        case ResponseType::kStmt:
            return decode_response_as<StmtResponse>(header, body);
        case ResponseType::kResult:
            return decode_response_as<ResultResponse>(header, body);
        case ResponseType::kRows:
            return Response(RowsResponse{body});
        case ResponseType::kEmpty:
            return decode_response_as<EmptyResponse>(header, body);
        case ResponseType::kFiles:
            return decode_files(body);
        case ResponseType::kMetadata:
            return decode_response_as<MetadataResponse>(header, body);
        case ResponseType::kStatus:
            return decode_status(body);
        case ResponseType::kColumns:
            return decode_columns(body);
        case ResponseType::kRan:
            return decode_response_as<RanResponse>(header, body);
    }
    return out_of_step("unknown response type " + std::to_string(header.type));
}

// ---- Framing ----

void MessageReader::feed(ByteView bytes) {
    while (!bytes.empty()) {
        const std::span<std::uint8_t> room = prepare();
        const std::size_t count = std::min(room.size(), bytes.size());
        std::memcpy(room.data(), bytes.data(), count);
        commit(count);
        bytes = bytes.subspan(count);
    }
}

std::span<std::uint8_t> MessageReader::prepare() {
    if (unread_bytes() == 0 && !lent_) {
        begin_ = end_ = 0;
        if (buffer_.size() > kBufferBytesKept) buffer_ = Bytes();
    }
    if (buffer_.size() - end_ < kRoomBytesMin) make_room();
    return std::span(buffer_).subspan(end_);
}

void MessageReader::commit(std::size_t count) {
    if (count > buffer_.size() - end_) std::abort();
    end_ += count;
}

// Makes the buffer twice as large as what is unread, so that the cost of moving bytes stays in
// proportion to the bytes that came, but not larger than a message can be. Bytes lent to the caller
// stay where they are: the unread ones move away.
void MessageReader::make_room() {
    const std::size_t unread = unread_bytes();
    const std::size_t longest =
        std::max<std::uint64_t>(unread, kHeaderBytes + body_bytes_max_) + kBufferBytesKept;
    const std::size_t wanted = std::max(kBufferBytesMin, std::min(2 * unread, longest));
    if (lent_) {
        if (other_.size() < wanted) other_.resize(wanted);
        std::memcpy(other_.data(), buffer_.data() + begin_, unread);
        std::swap(buffer_, other_);
        lent_ = false;
    } else {
        if (unread > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, unread);
        if (buffer_.size() < wanted) buffer_.resize(wanted);
    }
    begin_ = 0;
    end_ = unread;
}

ByteView MessageReader::lend(std::size_t count) {
    const ByteView lent = ByteView(buffer_).subspan(begin_, count);
    begin_ += count;
    lent_ = true;
    return lent;
}

void MessageReader::release() {
    lent_ = false;
    if (other_.size() > kBufferBytesKept) other_ = Bytes();
}

std::optional<std::uint64_t> MessageReader::take_word() {
    if (unread_bytes() < kWordBytes) return std::nullopt;
    release();
    begin_ += kWordBytes;
    return load_little<std::uint64_t>(buffer_.data() + begin_ - kWordBytes);
}

Result<std::optional<Header>> MessageReader::header() {
    const std::uint64_t skipped = std::min<std::uint64_t>(part_bytes_left_, unread_bytes());
    begin_ += static_cast<std::size_t>(skipped);
    part_bytes_left_ -= skipped;
    if (part_bytes_left_ > 0 || unread_bytes() < kHeaderBytes) return std::optional<Header>();
    const Header header = Header::parse(unread().first<kHeaderBytes>());
    if (header.words == 0) return out_of_step("a message without a body");
    return std::optional(header);
}

Result<std::optional<Message>> MessageReader::next() {
    release();
    const Result<std::optional<Header>> coming = header();
    if (!coming.ok()) return coming.error();
    if (!coming->has_value()) return std::optional<Message>();
    const Header header = **coming;
    const std::uint64_t size = header.body_bytes();
    if (size > body_bytes_max_) {
        return out_of_step("a message of " + std::to_string(size) + " bytes is over the limit");
    }
    if (unread_bytes() - kHeaderBytes < size) return std::optional<Message>();
    begin_ += kHeaderBytes;
    return std::optional(Message{header, lend(static_cast<std::size_t>(size))});
}

ByteView MessageReader::next_part() {
    release();
    if (part_bytes_left_ == 0) {
        if (unread_bytes() < kHeaderBytes) std::abort();
        part_bytes_left_ = Header::parse(unread().first<kHeaderBytes>()).body_bytes();
        begin_ += kHeaderBytes;
    }
    const std::uint64_t size = std::min<std::uint64_t>(part_bytes_left_, unread_bytes());
    part_bytes_left_ -= size;
    return lend(static_cast<std::size_t>(size));
}

// ---- Result sets ----

void RowsWriter::columns(std::span<const std::string_view> names) {
    if (active()) std::abort();
    column_count_ = names.size();
    preamble_.clear();
    ByteWriter(preamble_).u64(names.size());
    for (const std::string_view name : names) append_text(preamble_, name);
}

void RowsWriter::begin(Bytes& out) {
    if (active()) std::abort();
    out_ = &out;
    start_ = out.size();
    Header{.type = static_cast<std::uint8_t>(ResponseType::kRows)}.append_to(out);
    ByteWriter(out).bytes(preamble_);
    row_.open(out);
}

void RowsWriter::finish(RowsEnd end) {
    if (!active()) std::abort();
    row_.close();
    ByteWriter writer(*out_);
    writer.u64(end == RowsEnd::kDone ? kRowsDoneMarker : kRowsPartMarker);
    const std::uint64_t words = (out_->size() - start_ - kHeaderBytes) / kWordBytes;
    if (words > kWordsMax) std::abort();
    writer.patch(start_, static_cast<std::uint32_t>(words));
    out_ = nullptr;
}

void RowsWriter::abandon() {
    if (!active()) std::abort();
    row_.cancel();
    row_.close();
    out_->resize(start_);
    out_ = nullptr;
}

Result<RowsReader> RowsReader::open(ByteView content) {
    RowsReader reader(content);
    const std::uint64_t count = reader.in_.u64();
    for (std::uint64_t i = 0; i < count && !reader.in_.failed(); ++i) {
        reader.columns_.push_back(read_text(reader.in_));
    }
    if (reader.in_.failed()) return out_of_step("the names of the columns are not all there");
    return reader;
}

Result<RowsReader::Step> RowsReader::next(std::vector<Value>& row) {
    if (in_.remaining() < kWordBytes) return out_of_step("a batch of rows has no end");
    const auto word = load_little<std::uint64_t>(in_.rest().data());
    if (word == kRowsPartMarker) return Step::kPart;
    if (word == kRowsDoneMarker) return Step::kDone;
    if (columns_.empty()) return out_of_step("a row without columns");
    row.resize(columns_.size());
    const Status status = read_row(in_, row);
    if (!status.ok()) return status.error();
    return Step::kRow;
}

// ---- Dumps ----

Status begin_files(std::span<const FileSize> files, Bytes& out) {
    std::uint64_t words = 1;
    for (const FileSize& file : files) {
        if (file.size % kWordBytes != 0) {
            return Error{code::kError, "the size of a file is not a multiple of 8"};
        }
        words += text_bytes(file.name) / kWordBytes + 1 + file.size / kWordBytes;
        if (words > kWordsMax) return Error{code::kError, "the files do not fit in one message"};
    }
    Header{.words = static_cast<std::uint32_t>(words),
           .type = static_cast<std::uint8_t>(ResponseType::kFiles)}
        .append_to(out);
    ByteWriter(out).u64(files.size());
    return {};
}

void begin_file(const FileSize& file, Bytes& out) {
    append_text(out, file.name);
    ByteWriter(out).u64(file.size);
}

Result<FilesReader::Event> FilesReader::next(ByteView& piece) {
    if (!files_left_.has_value()) {
        if (!gather(piece, kWordBytes)) return Event(NeedMore());
        files_left_ = load_little<std::uint64_t>(pending_.data());
        pending_.clear();
    }
    if (content_left_ > 0) {
        if (piece.empty()) return Event(NeedMore());
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(content_left_, piece.size()));
        const FileContent content{piece.first(size)};
        piece = piece.subspan(size);
        content_left_ -= size;
        return Event(content);
    }
    if (*files_left_ == 0) return Event(End());
    return next_file(piece);
}

Result<FilesReader::Event> FilesReader::next_file(ByteView& piece) {
    for (;;) {
        const std::string_view gathered = as_text(pending_);
        const std::size_t end_of_name = gathered.find('\0');
        const bool named = end_of_name != std::string_view::npos;
        // Up to the next word as long as the name has not ended; from then on, up to the size.
        const std::size_t needed =
            named ? padded(end_of_name + 1) + kWordBytes : padded(pending_.size() + 1);
        if (named && pending_.size() == needed) {
            name_ = gathered.substr(0, end_of_name);
            content_left_ = load_little<std::uint64_t>(pending_.data() + needed - kWordBytes);
            if (content_left_ % kWordBytes != 0) {
                return out_of_step("the size of a file is not a multiple of 8");
            }
            --*files_left_;
            pending_.clear();
            return Event(FileBegins{name_, content_left_});
        }
        if (needed > kFileNameBytesMax + 2 * kWordBytes)
            return out_of_step("the name of a file is too long");
        if (!gather(piece, needed)) return Event(NeedMore());
    }
}

bool FilesReader::gather(ByteView& piece, std::size_t size) {
    const std::size_t count = std::min(size - pending_.size(), piece.size());
    pending_.insert(pending_.end(), piece.begin(),
                    piece.begin() + static_cast<std::ptrdiff_t>(count));
    piece = piece.subspan(count);
    return pending_.size() == size;
}

}  // namespace quorlite::wire
