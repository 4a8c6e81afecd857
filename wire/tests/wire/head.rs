//! What a relay reads of a frame is what the frame says, and what it passes on is the frame.

use proptest::prelude::*;
use wire::head::{read_client, write_client};
use wire::{ClientFrame, Codec, ServerFrame, ServerHead};

use crate::strategies::{client_frame, server_frame};

proptest! {
    #[test]
    fn a_frame_is_passed_on_as_it_was_under_another_number(frame in server_frame(), number in any::<u32>()) {
        let bytes = Codec::Postcard.encode_server(&frame).unwrap();
        let (mut head, rest) = ServerHead::read(&bytes).unwrap();
        prop_assert_eq!(&head.write(rest), &bytes);
        let mut frame = frame;
        match (&mut head, &mut frame) {
            (ServerHead::Change { sid, span }, ServerFrame::Change { sid: number_of, change }) => {
                prop_assert_eq!((*sid, *span), (*number_of, change.span));
                (*sid, *number_of) = (number, number);
            }
            (ServerHead::SubOk { id, sid, epoch, offset, mode }, ServerFrame::SubOk { id: i, sid: s, epoch: e, offset: o, mode: m }) => {
                prop_assert_eq!((*id, *sid, *epoch, *offset, *mode), (*i, *s, *e, *o, *m));
                (*sid, *s) = (number, number);
            }
            (ServerHead::Hb { echo, subs }, ServerFrame::Hb { echo: e, subs: s }) => prop_assert_eq!((echo, subs), (e, s)),
            (ServerHead::Reset { sid, epoch, offset, why }, ServerFrame::Reset { sid: s, epoch: e, offset: o, why: w }) => {
                prop_assert_eq!((&*sid, &*epoch, &*offset, &*why), (&*s, &*e, &*o, &*w));
                (*sid, *s) = (number, number);
            }
            (ServerHead::Welcome { hb_ms, lease_ms, .. }, ServerFrame::Welcome { hb_ms: h, lease_ms: l, .. }) => {
                prop_assert_eq!((hb_ms, lease_ms), (h, l));
            }
            (ServerHead::Bye { code, .. }, ServerFrame::Bye { code: c, .. }) => prop_assert_eq!(code, c),
            (ServerHead::Got { id }, ServerFrame::Got { id: i, .. }) => prop_assert_eq!(id, i),
            (head, frame) => prop_assert!(false, "{:?} begins {:?}", head, frame),
        }
        prop_assert_eq!(Codec::Postcard.decode_server(&head.write(rest)), Ok(frame));
    }

    #[test]
    fn a_client_frame_is_read_and_written_as_by_the_codec(frame in client_frame()) {
        let bytes = Codec::Postcard.encode_client(&frame).unwrap();
        prop_assert_eq!(&write_client(&frame), &bytes);
        prop_assert_eq!(read_client(&bytes), Some(frame));
        prop_assert_eq!(read_client(&[&bytes[..], &[0]].concat()), None::<ClientFrame>);
    }

    #[test]
    fn what_the_codec_refuses_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(read_client(&bytes), Codec::Postcard.decode_client(&bytes).ok());
        if Codec::Postcard.decode_server(&bytes).is_ok() {
            prop_assert!(ServerHead::read(&bytes).is_some());
        }
    }
}
