-- Whose mail lies in a demo's mailbox: whoever reads that records it, message by message. Production has none of it.
create policy mailed on operational.message for select to {service}
    using ((select current_setting('cloister.mailbox', true)) = 'open'
           and exists (select from operational.demo_mail as d where d.message_id = message.message_id));
