-- Whether automation may act on what comes of a change. An import's transaction says that it may not, unless it was asked to.
alter table operational.outbox
    add column fires boolean not null default (coalesce(current_setting('cloister.fires', true), '') <> 'off');
