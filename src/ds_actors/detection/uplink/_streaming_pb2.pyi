from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FrameRequest(_message.Message):
    __slots__ = ("participant_id", "track_id", "timestamp_ms", "format", "data")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        JPEG: _ClassVar[FrameRequest.Format]
        WEBP: _ClassVar[FrameRequest.Format]
        PCM: _ClassVar[FrameRequest.Format]
    JPEG: FrameRequest.Format
    WEBP: FrameRequest.Format
    PCM: FrameRequest.Format
    PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    participant_id: str
    track_id: str
    timestamp_ms: int
    format: FrameRequest.Format
    data: bytes
    def __init__(self, participant_id: _Optional[str] = ..., track_id: _Optional[str] = ..., timestamp_ms: _Optional[int] = ..., format: _Optional[_Union[FrameRequest.Format, str]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ResultEvent(_message.Message):
    __slots__ = ("type", "participant_id", "track_id", "message")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[ResultEvent.Type]
        SUSPICIOUS: _ClassVar[ResultEvent.Type]
        CLEAR: _ClassVar[ResultEvent.Type]
        ERROR: _ClassVar[ResultEvent.Type]
        ALERT: _ClassVar[ResultEvent.Type]
    UNKNOWN: ResultEvent.Type
    SUSPICIOUS: ResultEvent.Type
    CLEAR: ResultEvent.Type
    ERROR: ResultEvent.Type
    ALERT: ResultEvent.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_ID_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    type: ResultEvent.Type
    participant_id: str
    track_id: str
    message: str
    def __init__(self, type: _Optional[_Union[ResultEvent.Type, str]] = ..., participant_id: _Optional[str] = ..., track_id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
