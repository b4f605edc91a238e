//! Which codec a form has.

use backplane::Form;
use protocol::Codec;

/// The form of a message of a WebSocket.
pub(super) const fn frame_form(codec: Codec) -> Form {
    match codec {
        Codec::Json => Form::JsonFrame,
        Codec::MessagePack => Form::MessagePackFrame,
    }
}

/// Events are JSON.
pub(super) const fn codec_of(form: Form) -> Codec {
    match form {
        Form::MessagePackFrame => Codec::MessagePack,
        Form::JsonFrame | Form::Event | Form::MarkedEvent => Codec::Json,
    }
}
