-- Members are counted by the service of their last visit as well, from the next build on.
alter table segment_report
    drop constraint segment_report_dimension_check,
    add constraint segment_report_dimension_check
        check (dimension in ('age', 'sex', 'insurance', 'service', 'attendance', 'adherence'));
